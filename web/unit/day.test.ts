import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { whenSignedOut } from '../src/core/api';
import { type Entry, prepend } from '../src/core/feed';
import { MOST_GONE, type Row, merge } from '../src/core/live';
import { type Listener, Stream, type StreamState } from '../src/core/stream';
import type { Call, Happening } from '../src/core/types';

// Where the page comes from; the modules look when they are loaded.
vi.hoisted(() => void Object.assign(globalThis, { location: { origin: 'http://edge.example' } }));

const DAY_MS = 86_400_000;
const EVENTS = 1_000_000;
/** Those that come by a stream: to take them apart takes a while. */
const STREAMED = EVENTS / 5;
/** Between two looks at the live calls, at least. */
const LOOK_MS = 20_000;
const PATIENCE = { timeout: 60_000 };

/** What a daemon sends of the events from one number to another. */
function sent(from: number, to: number): string {
  let text = '';
  for (let seq = from; seq <= to; seq += 1) text += `id: ${seq}\nevent: digit\ndata: {"seq":${seq},"text":"x"}\n\n`;
  return text;
}

describe('a console that is open for a day', () => {
  const open: Stream[] = [];
  const follow = (listener: Listener) => {
    const stream = new Stream(listener);
    open.push(stream);
    return stream;
  };
  beforeEach(() => {
    vi.useFakeTimers();
    vi.stubGlobal('document', Object.assign(new EventTarget(), { visibilityState: 'visible' }));
  });
  afterEach(() => {
    open.splice(0).forEach((stream) => stream.close());
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  it('shows no more events than it may, whatever comes', PATIENCE, () => {
    let entries: Entry[] = [];
    for (let seq = 0; seq < EVENTS; seq += 500) {
      const fresh = Array.from({ length: 500 }, (_, place): Entry => ({ type: 'event', event: { seq: seq + place + 1 } as Happening }));
      entries = prepend(entries, fresh, 1000);
      if (entries.length > 1000) throw new Error(`${entries.length} after ${seq}`);
    }
    const numbers = entries.map((entry) => (entry.type === 'event' ? entry.event.seq : 0));
    expect(numbers).toEqual(Array.from({ length: 1000 }, (_, place) => EVENTS - place));
  });

  it('keeps no row for ever, even where a pointer rests on the table', PATIENCE, () => {
    let rows: Row[] = [];
    for (let now = 0; now < DAY_MS; now += LOOK_MS) {
      // Ten calls are up, each for ten looks.
      const first = now / LOOK_MS;
      const calls = Array.from({ length: 10 }, (_, place) => ({ call: first + place }) as Call);
      rows = merge(rows, calls, now, true);
      if (rows.length > 10 + MOST_GONE) throw new Error(`${rows.length} rows after ${now} ms`);
    }
    expect(rows).toHaveLength(10 + MOST_GONE);
    const last = DAY_MS / LOOK_MS - 1;
    // Those that went last, and each call that is up.
    expect(Math.min(...rows.map((row) => row.call.call))).toBe(last - MOST_GONE);
    expect(rows.filter((row) => row.gone === undefined)).toHaveLength(10);
    rows = merge(rows, [], DAY_MS + 60_000, false);
    rows = merge(rows, [], DAY_MS + 120_000, false);
    expect(rows).toEqual([]);
  });

  it('hears each event once, over as many connections as it takes, and leaves nothing behind', PATIENCE, async () => {
    let first = 1;
    /** Events of one connection, of which it ends: so it is with a proxy that has a limit of time. */
    const each = STREAMED / 250;
    const connections: number[] = [];
    vi.stubGlobal('fetch', async (where: URL, { headers }: { headers: Record<string, string> }) => {
      connections.push(Date.now());
      if (first > 1) expect([headers['Last-Event-ID'], where.searchParams.get('after')]).toEqual([String(first - 1), String(first - 1)]);
      if (first > STREAMED) return new Response(new ReadableStream());
      // A few come twice, as they may around a reconnect.
      const text = sent(Math.max(1, first - 3), first + each - 1);
      first += each;
      return new Response(text);
    });
    let heard = 0;
    const states: StreamState[] = [];
    const stream = follow({
      onEvent: ({ seq }) => {
        if (seq !== heard + 1) throw new Error(`${seq} after ${heard}`);
        heard = seq;
      },
      onState: (state) => void (states.length < 10 && states.push(state)),
    });
    let most = 0;
    for (let minute = 0; heard < STREAMED && minute < 1440; minute += 1) {
      await vi.advanceTimersByTimeAsync(60_000);
      most = Math.max(most, vi.getTimerCount());
    }
    expect(heard).toBe(STREAMED);
    expect(states.slice(0, 4)).toEqual(['connecting', 'open', 'waiting', 'connecting']);
    // One for the silence, or one for the next try.
    expect(most).toBeLessThanOrEqual(2);
    // Tries after a connection that worked come as soon as the first did: pauses do not add up.
    const pauses = connections.slice(1).map((at, place) => at - (connections[place] ?? 0));
    expect(Math.max(...pauses.slice(0, 249))).toBeLessThanOrEqual(1000);
    stream.close();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('asks no more often than once in half a minute while the daemon is away for the day', PATIENCE, async () => {
    let tries = 0;
    vi.stubGlobal('fetch', async () => {
      tries += 1;
      throw new TypeError('no connection');
    });
    const stream = follow({ onEvent: () => {} });
    await vi.advanceTimersByTimeAsync(DAY_MS);
    expect(tries).toBeGreaterThan(DAY_MS / 30_000);
    expect(tries).toBeLessThan(DAY_MS / 15_000 + 20);
    expect(vi.getTimerCount()).toBe(1);
    stream.close();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('says so when its token is refused', async () => {
    const refusal = JSON.stringify({ type: 'https://trunkline.dev/problems/unauthorized', title: 'Unauthorized', detail: 'the token was revoked' });
    vi.stubGlobal('fetch', async () => new Response(refusal, { status: 401 }));
    const said: string[] = [];
    whenSignedOut((problem) => said.push(problem.sentence));
    const stream = follow({ onEvent: () => {} });
    await vi.advanceTimersByTimeAsync(10);
    expect(said).toEqual(['the token was revoked']);
    stream.close();
    expect(vi.getTimerCount()).toBe(0);
  });
});
