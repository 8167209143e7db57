// The list of events on the screen: the newest first, never longer than it may be, with a mark where
// some are gone.

import type { Gap } from './stream';
import type { Happening } from './types';

export type Entry = { type: 'event'; event: Happening } | { type: 'gap'; gap: Gap };

/** The list with new entries before the old ones, cut to `most`. */
export function prepend(entries: Entry[], fresh: Entry[], most: number): Entry[] {
  return [...[...fresh].reverse(), ...entries].slice(0, most);
}

/** Older events behind those that are there. */
export function append(entries: Entry[], older: Happening[]): Entry[] {
  const oldest = lowest(entries);
  const fitting = older.filter((event) => oldest === undefined || event.seq < oldest).sort((a, b) => b.seq - a.seq);
  return [...entries, ...fitting.map((event): Entry => ({ type: 'event', event }))];
}

/** The number of the oldest event that is shown. */
export function lowest(entries: Entry[]): number | undefined {
  const numbers = entries.map((entry) => (entry.type === 'event' ? entry.event.seq : entry.gap.from));
  return numbers.length > 0 ? Math.min(...numbers) : undefined;
}

export function keyOf(entry: Entry): string {
  return entry.type === 'event' ? String(entry.event.seq) : `gap ${entry.gap.from}`;
}
