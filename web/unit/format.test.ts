import { describe, expect, it } from 'vitest';
import * as format from '../src/core/format';

describe('what people read', () => {
  it.each([
    [0, '0:00'],
    [7.9, '0:07'],
    [754, '12:34'],
    [3723, '1:02:03'],
    [273_900, '3 d 04:05'],
    [undefined, '–'],
    [-1, '–'],
  ])('%s seconds are %s', (seconds, text) => expect(format.duration(seconds)).toBe(text));

  it.each([
    ['sip:+43123@edge.example;user=phone', '+43123'],
    ['"Alice" <sips:alice%20b@x.example>;tag=1', 'alice b'],
    ['tel:+43-1-2345', '+43-1-2345'],
    ['sip:edge.example.com', 'edge.example.com'],
    ['sip:%zz@x', '%zz'],
    ['', '–'],
  ])('%s is %s', (uri, text) => expect(format.party(uri)).toBe(text));

  it.each([
    [999, '999 B'],
    [48_123_904, '48.1 MB'],
    [null, '–'],
  ])('%s bytes are %s', (value, text) => expect(format.bytes(value)).toBe(text));

  it('loss is of what should have come', () => {
    expect(format.lossPercent(1, 99)).toBe(1);
    expect(format.lossPercent(0, 0)).toBeNull();
  });

  it('a time that is none is a dash', () => {
    expect(format.time('yesterday')).toBe('–');
    expect(format.time(null)).toBe('–');
    expect(format.clock('2026-03-01T12:00:07.045Z')).toMatch(/^\d\d:\d\d:07\.045$/);
  });

  it('grades of MOS change at 4.0 and 3.6', () => {
    expect([4.38, 4, 3.99, 3.6, 3.59, null].map(format.mosGrade)).toEqual(['good', 'good', 'fair', 'fair', 'poor', 'none']);
  });
});
