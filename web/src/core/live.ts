// The table of live calls, so that rows do not jump away under the pointer: a call keeps its place, and
// one that has ended stays for a moment, marked.

import { lossPercent } from './format';
import type { Call, Direction, MosTrail, Side } from './types';

/** How long a call that has ended stays. */
export const LINGER_MS = 4000;
/** While rows are held none moves, but a pointer may be forgotten there for a day: no more than these wait to go. */
export const MOST_GONE = 200;

export interface Row {
  call: Call;
  /** When it was seen to be gone, by the browser's clock. */
  gone: number | undefined;
  /** When `call` came. */
  seen: number;
}

/**
 * The rows to show after `fresh` came. While `held` (the pointer is over the table, or the focus is in
 * it) no row moves: those that are new wait at the end.
 */
export function merge(old: Row[], fresh: Call[], now: number, held: boolean): Row[] {
  const arrived = new Map(fresh.map((call) => [call.call, call]));
  const known = new Set(old.map((row) => row.call.call));
  const shown = old
    .map((row): Row => {
      const call = arrived.get(row.call.call);
      return call ? { call, gone: undefined, seen: now } : { ...row, gone: row.gone ?? now };
    })
    .filter((row) => row.gone === undefined || held || now - row.gone < LINGER_MS);
  const kept = withoutLongGone(shown);
  const added = fresh.filter((call) => !known.has(call.call)).map((call): Row => ({ call, gone: undefined, seen: now }));
  if (held) return [...kept, ...added];
  // In the daemon's order; what has ended keeps its neighbour above.
  const place = new Map(fresh.map((call, index) => [call.call, index]));
  const rows = [...kept.filter((row) => row.gone === undefined), ...added];
  rows.sort((a, b) => (place.get(a.call.call) ?? 0) - (place.get(b.call.call) ?? 0));
  return withGone(rows, kept);
}

/** Without those that went first, where too many have gone. */
function withoutLongGone(rows: Row[]): Row[] {
  const gone = rows.flatMap((row) => (row.gone === undefined ? [] : [row.gone])).sort((a, b) => b - a);
  const oldest = gone[MOST_GONE - 1];
  if (oldest === undefined || gone.length <= MOST_GONE) return rows;
  let room = MOST_GONE - gone.filter((at) => at > oldest).length;
  // Of those that went at that very moment some stay.
  return rows.filter((row) => row.gone === undefined || row.gone > oldest || (row.gone === oldest && room-- > 0));
}

/** Puts the rows that have ended back after those that they stood after. */
function withGone(rows: Row[], before: Row[]): Row[] {
  const result = [...rows];
  before.forEach((row, index) => {
    if (row.gone === undefined) return;
    const above = before[index - 1];
    const place = above ? result.findIndex((other) => other.call.call === above.call.call) : -1;
    result.splice(place + 1, 0, row);
  });
  return result;
}

export interface Figures {
  mos: number | null;
  loss: number | null;
  jitter: number | null;
  /** Each path that the call's packets take, the slowest last. */
  paths: string[];
}

const PATHS = ['xdp', 'af_xdp', 'socket'];

/** The worse of the two directions: that is what somebody will complain about. */
export function figures(call: Call): Figures {
  const directions = call.media?.directions ?? [];
  const worst = (values: (number | null)[], choose: (...values: number[]) => number) => {
    const known = values.filter((value) => value !== null);
    return known.length > 0 ? choose(...known) : null;
  };
  const paths = [...new Set(directions.map((direction) => direction.path))];
  return {
    mos: worst(directions.map((direction) => direction.mos), Math.min),
    loss: worst(directions.map((direction) => lossPercent(direction.lost, direction.packets)), Math.max),
    jitter: worst(directions.map((direction) => direction.jitter_ms), Math.max),
    paths: paths.sort((a, b) => PATHS.indexOf(a) - PATHS.indexOf(b)),
  };
}

/** For each moment the worse MOS of all directions. */
export function worstTrail(trails: MosTrail[] | undefined): (number | null)[] {
  const lists = (trails ?? []).map((trail) => (Array.isArray(trail) ? trail : trail.samples));
  const longest = Math.max(0, ...lists.map((list) => list.length));
  return Array.from({ length: longest }, (_, index) => {
    const values = lists.map((list) => list[list.length - longest + index] ?? null).filter((value) => value !== null);
    return values.length > 0 ? Math.min(...values) : null;
  });
}

/** Seconds since the answer, else since the call began, counted on from when we heard of it. */
export function seconds(row: Row, now: number): number | undefined {
  const { call } = row;
  const since = ageOfAnswer(call);
  if (since === undefined) return undefined;
  const until = row.gone ?? now;
  return Math.max(0, since + (until - row.seen)) / 1000;
}

/** Milliseconds, when the daemon spoke. */
function ageOfAnswer(call: Call): number | undefined {
  if (call.answered_ms !== undefined && call.answered_ms !== null) return call.answered_ms;
  if (call.answer && call.start && call.age_ms !== undefined) {
    return call.age_ms - (Date.parse(call.answer) - Date.parse(call.start));
  }
  return call.age_ms;
}

export function isHeld(call: Call): boolean {
  return call.state === 'held' || (Array.isArray(call.held) ? call.held.some(Boolean) : call.held === true);
}

/** The stream that people speak on, of one side. */
export function speech(call: Call, from: Side): Direction | undefined {
  return call.media?.directions.find((direction) => direction.from === from && direction.stream === 0);
}
