// How long to wait before trying again.

const SHORTEST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;

/** Doubles up to the longest pause; `chance` (0 to 1) keeps a thousand consoles from coming at once. */
export function backOff(failures: number, chance: number): number {
  const pause = Math.min(LONGEST_PAUSE_MS, SHORTEST_PAUSE_MS * 2 ** Math.min(failures, 10));
  return pause * (0.5 + chance / 2);
}
