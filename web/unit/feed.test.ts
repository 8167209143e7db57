import { describe, expect, it } from 'vitest';
import { type Entry, append, lowest, prepend } from '../src/core/feed';
import type { Happening } from '../src/core/types';

const happening = (seq: number): Happening => ({ seq, time: '', kind: 'digit', call: null, trunk: null, peer: null, code: null, text: '' });
const entry = (seq: number): Entry => ({ type: 'event', event: happening(seq) });
const shown = (entries: Entry[]) => entries.map((one) => (one.type === 'event' ? one.event.seq : `${one.gap.from}-${one.gap.to}`));

describe('the list of events', () => {
  it('has the newest first and never more than it may', () => {
    expect(shown(prepend([entry(2), entry(1)], [entry(3), entry(4)], 3))).toEqual([4, 3, 2]);
  });

  it('says where some are gone', () => {
    const gap: Entry = { type: 'gap', gap: { from: 2, to: 8 } };
    expect(shown(prepend([entry(1)], [gap, entry(9)], 10))).toEqual([9, '2-8', 1]);
  });

  it('takes older ones behind those that are there, each once', () => {
    expect(shown(append([entry(5), entry(4)], [happening(2), happening(3), happening(4)]))).toEqual([5, 4, 3, 2]);
    expect(lowest([entry(5), entry(4)])).toBe(4);
    expect(lowest([])).toBeUndefined();
  });
});
