// The stream of events. It is read by `fetch`, not by EventSource: that one stops for good when a
// daemon that restarts answers 503, and cannot be told to hear kinds that it does not know by name.

import { address, problemOf, query } from './api';
import { backOff } from './back-off';
import { Parser, type Message } from './sse';
import type { Happening } from './types';

export type StreamState = 'connecting' | 'open' | 'waiting';

export interface Gap {
  from: number;
  to: number;
}

export interface Listener {
  onEvent(event: Happening): void;
  /** Events that are gone, or that we were too slow for. */
  onGap?(gap: Gap): void;
  onState?(state: StreamState): void;
}

export interface StreamOptions {
  /** Begin after this number; without it with what happens from now on. */
  after?: number | undefined;
  /** Only these kinds; without it all. */
  kinds?: string[] | undefined;
}

/** The daemon sends a comment each 15 s: after three of them the connection is dead. */
const SILENCE_MS = 50_000;
/** A page that nobody sees lets go of its connection after this long, and catches up when it is shown. */
const HIDDEN_MS = 60_000;

/** Follows events from now until `close`, over as many connections as it takes. */
export class Stream {
  private last: number | undefined;
  private failures = 0;
  private closed = false;
  private connection: AbortController | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private silence: ReturnType<typeof setTimeout> | undefined;
  private hidden: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly listener: Listener,
    private readonly options: StreamOptions = {},
  ) {
    this.last = options.after;
    document.addEventListener('visibilitychange', this.visibility);
    void this.connect();
  }

  close(): void {
    this.closed = true;
    this.disconnect();
    clearTimeout(this.timer);
    clearTimeout(this.hidden);
    document.removeEventListener('visibilitychange', this.visibility);
  }

  private readonly visibility = () => {
    clearTimeout(this.hidden);
    if (document.visibilityState === 'hidden') {
      this.hidden = setTimeout(() => this.disconnect(), HIDDEN_MS);
    } else if (!this.connection) {
      clearTimeout(this.timer);
      void this.connect();
    }
  };

  private disconnect(): void {
    clearTimeout(this.silence);
    this.connection?.abort();
    this.connection = undefined;
  }

  private async connect(): Promise<void> {
    if (this.closed || this.connection) return;
    const connection = new AbortController();
    this.connection = connection;
    this.listener.onState?.('connecting');
    try {
      await this.read(connection);
    } catch {
      // Whatever it was, the next try says whether it lasts.
    }
    if (this.connection !== connection) return;
    this.disconnect();
    this.retry();
  }

  private async read(connection: AbortController): Promise<void> {
    const kinds = this.options.kinds?.join(',');
    const where = `events/stream${query({ after: this.last, kinds })}`;
    const headers: Record<string, string> = { Accept: 'text/event-stream' };
    if (this.last !== undefined) headers['Last-Event-ID'] = String(this.last);
    this.heard(connection);
    const response = await fetch(address(where), { headers, signal: connection.signal, cache: 'no-store' });
    if (!response.ok || !response.body) throw await problemOf(response, where);
    this.listener.onState?.('open');
    const parser = new Parser();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done || this.closed) return;
      this.failures = 0;
      this.heard(connection);
      for (const message of parser.push(value)) this.take(message);
    }
  }

  /** Ends a connection on which nothing comes any more. */
  private heard(connection: AbortController): void {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => connection.abort(), SILENCE_MS);
  }

  private take(message: Message): void {
    const data: unknown = JSON.parse(message.data);
    if (typeof data !== 'object' || data === null) return;
    if (message.event === 'gap') {
      const gap = data as Gap;
      this.last = Math.max(this.last ?? 0, gap.to);
      this.listener.onGap?.(gap);
      return;
    }
    const event = { kind: message.event, ...data } as Happening;
    const seq = Number(message.id ?? event.seq);
    if (!Number.isFinite(seq)) return;
    // What was sent twice, around a reconnect, is heard once.
    if (this.last !== undefined && seq <= this.last) return;
    this.last = seq;
    this.listener.onEvent({ ...event, seq });
  }

  private retry(): void {
    if (this.closed || document.visibilityState === 'hidden') return;
    this.listener.onState?.('waiting');
    this.failures += 1;
    this.timer = setTimeout(() => void this.connect(), backOff(this.failures, Math.random()));
  }
}
