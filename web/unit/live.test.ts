import { describe, expect, it } from 'vitest';
import { LINGER_MS, type Row, figures, merge, seconds, worstTrail } from '../src/core/live';
import type { Call } from '../src/core/types';

const call = (number: number, more: Partial<Call> = {}): Call => ({ call: number, from: 'sip:a@b', to: 'sip:c@d', caller: {}, callee: {}, ...more });
const numbers = (rows: Row[]) => rows.map((row) => row.call.call);

describe('the table of live calls', () => {
  const rows = merge([], [call(1), call(2), call(3)], 0, false);

  it('keeps a call that ended for a moment, where it stood', () => {
    const after = merge(rows, [call(1), call(3)], 1000, false);
    expect(numbers(after)).toEqual([1, 2, 3]);
    expect(after[1]?.gone).toBe(1000);
    expect(numbers(merge(after, [call(1), call(3)], 1000 + LINGER_MS, false))).toEqual([1, 3]);
  });

  it('puts new calls where the daemon has them', () => {
    expect(numbers(merge(rows, [call(4), call(1), call(2), call(3)], 0, false))).toEqual([4, 1, 2, 3]);
  });

  it('moves nothing while somebody points at it', () => {
    const held = merge(rows, [call(4), call(1), call(3)], 9_000_000, true);
    expect(numbers(held)).toEqual([1, 2, 3, 4]);
    expect(numbers(merge(held, [call(4), call(1), call(3)], 9_000_001 + LINGER_MS, false))).toEqual([4, 1, 3]);
  });

  it('takes a call back that was missing from one answer', () => {
    const gone = merge(rows, [call(1), call(3)], 0, false);
    expect(merge(gone, [call(1), call(2), call(3)], 10, false)[1]?.gone).toBeUndefined();
  });

  it('shows the worse direction', () => {
    const direction = (mos: number, lost: number) => ({ from: 'caller' as const, stream: 0, path: 'xdp', packets: 100 - lost, bytes: 0, lost, jitter_ms: lost, mos });
    const shown = figures(call(1, { media: { directions: [direction(4.4, 0), { ...direction(3.1, 20), path: 'af_xdp' }] } }));
    expect(shown).toEqual({ mos: 3.1, loss: 20, jitter: 20, paths: ['xdp', 'af_xdp'] });
    expect(figures(call(1))).toEqual({ mos: null, loss: null, jitter: null, paths: [] });
  });

  it('has one line of both directions, the latest at the end', () => {
    expect(worstTrail([[4, 4.2, 4.1], { samples: [3.9, null] }])).toEqual([4, 3.9, 4.1]);
    expect(worstTrail(undefined)).toEqual([]);
  });

  it('counts on from the answer between two looks, and stops when the call is gone', () => {
    const up = call(1, { age_ms: 5000, answered_ms: 3000 });
    expect(seconds({ call: up, gone: undefined, seen: 100 }, 2100)).toBe(5);
    expect(seconds({ call: up, gone: 1100, seen: 100 }, 9100)).toBe(4);
  });
});
