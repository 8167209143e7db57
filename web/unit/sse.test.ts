import { describe, expect, it } from 'vitest';
import { backOff } from '../src/core/back-off';
import { Parser } from '../src/core/sse';

const STREAM = 'id: 7\nevent: call_started\ndata: {"seq":7}\n\n: ping\n\nid: 8\r\nevent: call_ended\r\ndata: a\r\ndata: b\r\n\r\n';
const MESSAGES = [
  { id: '7', event: 'call_started', data: '{"seq":7}' },
  { id: '8', event: 'call_ended', data: 'a\nb' },
];

describe('a stream of events', () => {
  it('says the same wherever its pieces end', () => {
    for (let cut = 0; cut <= STREAM.length; cut++) {
      const parser = new Parser();
      expect([...parser.push(STREAM.slice(0, cut)), ...parser.push(STREAM.slice(cut))], `cut at ${cut}`).toEqual(MESSAGES);
    }
  });

  it('byte by byte too', () => {
    const parser = new Parser();
    expect([...STREAM].flatMap((byte) => parser.push(byte))).toEqual(MESSAGES);
  });

  it('is given up where a line has no end', () => {
    const parser = new Parser();
    expect(() => parser.push('x'.repeat(2 << 20))).toThrow();
  });

  it('is tried again later and later, but never later than in half a minute', () => {
    const pauses = [1, 2, 3, 20].map((failures) => backOff(failures, 1));
    expect(pauses).toEqual([1000, 2000, 4000, 30_000]);
    expect(backOff(3, 0)).toBe(2000);
  });
});
