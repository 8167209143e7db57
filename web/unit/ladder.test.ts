import { describe, expect, it } from 'vitest';
import { layout, toneOf } from '../src/core/ladder';
import type { LadderMessage } from '../src/core/types';

const CALLER = '198.51.100.9:5061';
const FIRST = '10.1.2.3:5060';
const SECOND = '10.1.2.4:5060';
const US = '203.0.113.10:5061';

function message(offset_ms: number, direction: 'in' | 'out', peer: string, leg: string, summary: string): LadderMessage {
  const status = Number(/^(\d{3}) /.exec(summary)?.[1]) || null;
  const [from, to] = direction === 'in' ? [peer, US] : [US, peer];
  return { offset_ms, from, to, leg, direction, summary, status, method: status ? null : (summary.split(' ')[0] ?? null), text: summary };
}

describe('a ladder', () => {
  const failover = [
    message(0, 'in', CALLER, 'caller', 'INVITE sip:1@us'),
    message(3, 'out', FIRST, 'target 1', 'INVITE sip:1@10.1.2.3'),
    message(503, 'out', FIRST, 'target 1', 'INVITE sip:1@10.1.2.3'),
    message(4003, 'out', SECOND, 'target 2', 'INVITE sip:1@10.1.2.4'),
    message(4050, 'in', SECOND, 'callee', '200 OK'),
    message(4051, 'out', CALLER, 'caller', '200 OK'),
  ];

  it('has the caller on the left, Trunkline next and each target in the order in which it was tried', () => {
    const { lifelines, us } = layout(failover);
    expect(lifelines.map((line) => line.title)).toEqual(['Caller', 'Trunkline', 'Target 1', 'Callee']);
    expect(us).toBe(1);
  });

  it('calls a target that answered the callee and keeps its line', () => {
    const { lifelines } = layout(failover);
    expect(lifelines[3]).toMatchObject({ title: 'Callee', address: SECOND });
  });

  it('points arrows from who sent to who received', () => {
    const ends = layout(failover).arrows.map((arrow) => [arrow.from, arrow.to]);
    expect(ends).toEqual([[0, 1], [1, 2], [1, 2], [1, 3], [3, 1], [1, 0]]);
  });

  it('marks what was sent again, and only that', () => {
    expect(layout(failover).arrows.map((arrow) => arrow.repeated)).toEqual([false, false, true, false, false, false]);
  });

  it('tells pauses', () => {
    expect(layout(failover).arrows.map((arrow) => arrow.pauseMs)).toEqual([0, 3, 500, 3500, 47, 1]);
  });

  it('is one line for a caller that opened a second connection', () => {
    const moved = [message(0, 'in', CALLER, 'caller', 'INVITE sip:1@us'), message(9, 'in', '198.51.100.9:40001', 'caller', 'ACK sip:us')];
    expect(layout(moved).lifelines).toHaveLength(2);
  });

  it('of a call that was placed has its first party on the left, wherever it was tried', () => {
    const placed = [
      message(0, 'out', FIRST, 'first party 1', 'INVITE sip:1@10.1.2.3'),
      message(4000, 'out', CALLER, 'caller', 'INVITE sip:1@198.51.100.9'),
      message(5000, 'in', CALLER, 'caller', '200 OK'),
      message(5001, 'out', FIRST, 'callee', 'INVITE sip:2@10.1.2.3'),
    ];
    const { lifelines, us } = layout(placed);
    expect(lifelines.map((line) => line.title)).toEqual(['First party 1', 'Caller', 'Trunkline', 'Callee']);
    expect(us).toBe(2);
  });

  it('of no messages has our line alone', () => {
    expect(layout([])).toMatchObject({ arrows: [], lifelines: [{ title: 'Trunkline' }] });
  });

  it('tells challenges from failures', () => {
    const tones = ['INVITE sip:x', '183 Session Progress', '200 OK', '302 Moved', '407 Proxy Authentication Required', '503 Busy'];
    expect(tones.map((summary) => toneOf(message(0, 'in', CALLER, 'caller', summary)))).toEqual(['request', 'provisional', 'success', 'failure', 'challenge', 'failure']);
  });
});
