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
    [[0, 1, 2, 3], ['0:00', '0:01', '0:02', '0:03']],
    [[723, 723.5, 724], ['12:03.0', '12:03.5', '12:04.0']],
    [[0.25, 0.3, 0.35], ['0:00.25', '0:00.30', '0:00.35']],
    [[86_390, 86_400, 86_410], ['23:59:50', '1 d 00:00:00', '1 d 00:00:10']],
    [[0, 43_200, 86_400], ['0:00', '12:00:00', '1 d 00:00']],
    [[-1, 0, 1], ['', '0:00', '0:01']],
    [[7], ['0:07']],
    [[], []],
  ])('%j are told apart as %j', (seconds, labels) => expect(format.moments(seconds)).toEqual(labels));

  it('no two marks of an axis have the same label, however short or long the call', () => {
    for (const first of [0, 59.5, 723, 3599, 86_399, 900_000]) {
      for (const step of [0.05, 0.1, 0.2, 0.25, 0.5, 1, 2, 2.5, 5, 10, 30, 60, 600, 86_400]) {
        const labels = format.moments(Array.from({ length: 12 }, (_, place) => first + place * step));
        expect(new Set(labels).size, `${first} and on by ${step}: ${labels}`).toBe(12);
      }
    }
  });

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
