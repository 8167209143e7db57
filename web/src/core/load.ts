// What a screen shows of the daemon: fetched, kept fresh while somebody looks, and kept on the screen
// with its age when the daemon does not answer.

import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { type Problem, asProblem } from './api';

export interface Loaded<T> {
  value: T | undefined;
  /** What went wrong with the latest try; `value` is then of an earlier one. */
  problem: Problem | undefined;
  /** When `value` came, by the browser's clock. */
  at: number | undefined;
  reload: () => void;
  /** Puts a newer value in its place. */
  set: (value: T) => void;
}

/** After failures one waits longer each time, but never longer than this. */
const LONGEST_PAUSE_MS = 30_000;

export interface Freshness {
  /** Fetched again after this long; without it only once. */
  everyMs?: number | undefined;
}

/**
 * Fetches by `fetcher` whenever `key` changes, again every `everyMs`, and not while the page is hidden.
 * An undefined key fetches nothing.
 */
export function useLoad<T>(
  key: string | undefined,
  fetcher: (signal: AbortSignal) => Promise<T>,
  freshness: Freshness = {},
): Loaded<T> {
  const [state, setState] = useState<{ key: string | undefined; value?: T; problem?: Problem; at?: number }>({ key });
  const latest = useRef(fetcher);
  latest.current = fetcher;
  const again = useRef<() => void>(() => {});
  const { everyMs } = freshness;

  useEffect(() => {
    if (key === undefined) return;
    const cycle = new Cycle(everyMs, async (signal) => {
      try {
        const value = await latest.current(signal);
        if (!signal.aborted) setState({ key, value, at: Date.now() });
        return true;
      } catch (error) {
        if (signal.aborted) return true;
        const problem = asProblem(error);
        setState((old) => (old.key === key ? { ...old, problem } : { key, problem }));
        return false;
      }
    });
    again.current = () => cycle.now();
    cycle.now();
    return () => cycle.stop();
  }, [key, everyMs]);

  const isOurs = state.key === key;
  return {
    value: isOurs ? state.value : undefined,
    problem: isOurs ? state.problem : undefined,
    at: isOurs ? state.at : undefined,
    reload: useCallback(() => again.current(), []),
    set: useCallback((value: T) => setState({ key, value, at: Date.now() }), [key]),
  };
}

/** Runs a fetch in turns, one at a time. */
class Cycle {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private running: AbortController | undefined;
  private failures = 0;
  private stopped = false;
  private readonly shown = () => {
    const isDue = pauseAfter(this.everyMs, this.failures) !== undefined && this.timer === undefined;
    if (document.visibilityState === 'visible' && isDue && !this.running) this.now();
  };

  constructor(
    private readonly everyMs: number | undefined,
    private readonly run: (signal: AbortSignal) => Promise<boolean>,
  ) {
    document.addEventListener('visibilitychange', this.shown);
  }

  now(): void {
    if (this.stopped) return;
    clearTimeout(this.timer);
    this.timer = undefined;
    this.running?.abort();
    const controller = new AbortController();
    this.running = controller;
    void this.run(controller.signal).then((worked) => {
      if (this.running !== controller) return;
      this.running = undefined;
      this.failures = worked ? 0 : this.failures + 1;
      this.plan();
    });
  }

  private plan(): void {
    if (this.stopped) return;
    const pause = pauseAfter(this.everyMs, this.failures);
    if (pause === undefined || document.visibilityState === 'hidden') return;
    this.timer = setTimeout(() => this.now(), pause);
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
    this.running?.abort();
    document.removeEventListener('visibilitychange', this.shown);
  }
}

/** How long to wait before the next fetch. What failed is tried again even where nothing is repeated. */
export function pauseAfter(everyMs: number | undefined, failures: number): number | undefined {
  if (failures === 0) return everyMs;
  return Math.min(LONGEST_PAUSE_MS, Math.max(everyMs ?? 0, 1000) * 2 ** Math.min(failures, 5));
}
