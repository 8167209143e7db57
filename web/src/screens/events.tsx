// Events as they happen (OPS-3), from a little before now.

import { useEffect, useRef, useState } from 'preact/hooks';
import { get, query } from '../core/api';
import { count, words } from '../core/format';
import { type Entry, append, keyOf, lowest, prepend } from '../core/feed';
import { useLoad } from '../core/load';
import { place, setQuery } from '../core/route';
import { type Gap, Stream, type StreamState } from '../core/stream';
import type { Happening, Health, Page } from '../core/types';
import { Badge, Button, Empty, Freshness, Head } from '../ui/basic';
import { sayProblem } from '../ui/toast';
import { EventRow } from './event-row';

/** So many from before the screen was opened. */
const BACKLOG = 200;
const MOST = 1000;
/** A flood of events is drawn so often. */
const DRAW_MS = 250;
const SETTLE_MS = 1500;

/** Kinds in the groups that one looks for. */
const GROUPS: { name: string; kinds: string[] }[] = [
  { name: 'Calls', kinds: ['call_started', 'call_ringing', 'call_answered', 'call_held', 'call_resumed', 'call_transferred', 'call_ended', 'digit'] },
  { name: 'Refusals', kinds: ['call_refused', 'message_refused', 'reinvite_refused', 'request_refused', 'registration_refused', 'transfer_refused', 'authentication_failed', 'overloaded', 'limit_reached', 'malformed', 'tls_failed', 'server_name_mismatch'] },
  { name: 'Transfers', kinds: ['transfer_started', 'transfer_done', 'transfer_failed', 'call_transferred', 'transfer_refused'] },
  { name: 'Targets', kinds: ['target_failed', 'target_out_of_service', 'target_in_service', 'peer_unreachable'] },
  { name: 'Registrations', kinds: ['registered', 'unregistered', 'registration_refused', 'our_registration', 'our_registration_failed'] },
  { name: 'Media', kinds: ['media_timeout', 'media_failed', 'quality_low', 'quality_normal'] },
  { name: 'System', kinds: ['certificate_expiring', 'limit_reached', 'overloaded', 'config_changed', 'webhook_failing', 'webhook_recovered', 'webhook_gave_up', 'store_degraded', 'store_recovered', 'clock_set', 'drain', 'events_left_out'] },
];

export function EventsScreen() {
  const kinds = place.value.query.get('kinds')?.split(',').filter(Boolean) ?? [];
  const latest = useLoad('latest event', async (signal) => (await get<Health>('health', signal)).events?.latest ?? 0);
  const from = latest.value === undefined ? undefined : Math.max(0, latest.value - BACKLOG);
  const feed = useFeed(from, kinds);
  const [isFetching, setFetching] = useState(false);
  const oldest = lowest(feed.entries) ?? (from === undefined ? undefined : from + 1);
  const older = async () => {
    if (!oldest) return;
    setFetching(true);
    try {
      feed.addOlder(await before(oldest, kinds));
    } catch (error) {
      sayProblem(error);
    } finally {
      setFetching(false);
    }
  };
  return (
    <>
      <Head title="Events" about={<StreamBadge state={feed.state} />}>
        <Button icon={feed.paused ? 'play' : 'pause'} pressed={feed.paused} onClick={feed.toggle}>
          {feed.paused ? (feed.waiting > 0 ? `Go on (${count(feed.waiting)} new)` : 'Go on') : 'Pause'}
        </Button>
      </Head>
      <Filter kinds={kinds} />
      {latest.problem && <Freshness of={latest} what="Events" />}
      {feed.entries.length === 0 && feed.isSettled ? (
        <Empty icon="events" title={kinds.length > 0 ? 'No such event lately' : 'Nothing has happened yet'}>
          {kinds.length > 0 ? <Button onClick={() => setQuery({ kinds: undefined })}>Show all kinds</Button> : <p>Calls, registrations, refusals and everything else that you may want to know of appear here as they happen.</p>}
        </Empty>
      ) : (
        feed.entries.length > 0 && <Feed entries={feed.entries} />
      )}
      {oldest !== undefined && oldest > 1 && feed.isSettled && feed.entries.length < MOST && !feed.isAtEnd && (
        <div class="pager">
          <Button busy={isFetching} onClick={() => void older()}>
            Older
          </Button>
        </div>
      )}
      {feed.entries.length >= MOST && <p class="muted pager">The latest {count(MOST)} are shown; the API has the others.</p>}
    </>
  );
}

/** The events before a number. Of kinds that are rare one has to go far back. */
async function before(oldest: number, kinds: string[]): Promise<Happening[]> {
  for (let window = BACKLOG; ; window *= 8) {
    const first = Math.max(0, oldest - 1 - window);
    const found: Happening[] = [];
    for (let after: string | number | null = first; after !== null; ) {
      const page: Page<Happening> = await get<Page<Happening>>(`events${query({ after, limit: 1000, kinds: kinds.join(',') })}`);
      // A gap stands among them without a number of its own.
      const fitting = page.items.filter((item) => item.seq !== undefined && item.seq < oldest);
      found.push(...fitting);
      after = page.items.some((item) => item.seq >= oldest) ? null : page.next;
    }
    if (found.length > 0 || first === 0) return found.slice(-BACKLOG);
  }
}

function StreamBadge({ state }: { state: StreamState }) {
  if (state === 'open') return <Badge tone="good">live</Badge>;
  return <Badge tone={state === 'waiting' ? 'warning' : 'neutral'}>{state === 'waiting' ? 'connection lost, trying again; nothing will be missed' : 'connecting …'}</Badge>;
}

function Filter({ kinds }: { kinds: string[] }) {
  const isOn = (group: string[]) => group.every((kind) => kinds.includes(kind));
  const toggle = (group: string[]) => {
    const next = isOn(group) ? kinds.filter((kind) => !group.includes(kind)) : [...new Set([...kinds, ...group])];
    setQuery({ kinds: next.join(',') });
  };
  const single = kinds.filter((kind) => !GROUPS.some((group) => isOn(group.kinds) && group.kinds.includes(kind)));
  return (
    <div class="tools chips" role="group" aria-label="Kinds of events">
      <Button class="chip" pressed={kinds.length === 0} onClick={() => setQuery({ kinds: undefined })}>All</Button>
      {GROUPS.map((group) => (
        <Button key={group.name} class="chip" pressed={isOn(group.kinds)} onClick={() => toggle(group.kinds)}>{group.name}</Button>
      ))}
      {single.map((kind) => (
        <Button key={kind} class="chip" pressed icon="close" onClick={() => toggle([kind])}>{words(kind)}</Button>
      ))}
    </div>
  );
}

function Feed({ entries }: { entries: Entry[] }) {
  return (
    <table class="table stack events">
      <thead>
        <tr>
          <th scope="col" class="number w-seq">Number</th>
          <th scope="col" class="w-clock">Time</th>
          <th scope="col" class="w-kind">Kind</th>
          <th scope="col">What</th>
          <th scope="col" class="w-small">Call</th>
          <th scope="col" class="w-trunk">Trunk</th>
          <th scope="col" class="w-peer">Peer</th>
        </tr>
      </thead>
      <tbody>
        {entries.map((entry) =>
          entry.type === 'event' ? (
            <EventRow key={keyOf(entry)} event={entry.event} />
          ) : (
            <GapRow key={keyOf(entry)} gap={entry.gap} />
          ),
        )}
      </tbody>
    </table>
  );
}

/** With as many cells as others have: one across them all would bring hidden columns back. */
function GapRow({ gap }: { gap: Gap }) {
  return (
    <tr class="gap">
      <td class="number">{gap.from}</td>
      <td />
      <td>
        <Badge tone="warning">gap</Badge>
      </td>
      <td>
        Events {gap.from} to {gap.to} are gone: older than they are kept, or lost in a restart.
      </td>
      <td />
      <td />
      <td />
    </tr>
  );
}

/** Follows the stream after `from`, in portions; while paused they wait. */
function useFeed(from: number | undefined, kinds: string[]) {
  const [entries, setEntries] = useState<Entry[]>([]);
  const [state, setState] = useState<StreamState>('connecting');
  const [paused, setPaused] = useState(false);
  const [waiting, setWaiting] = useState(0);
  const [isAtEnd, setAtEnd] = useState(false);
  /** What there was from before has had the time to come. */
  const [isSettled, setSettled] = useState(false);
  const pending = useRef<Entry[]>([]);
  const isPaused = useRef(false);
  isPaused.current = paused;
  const question = kinds.join(',');

  const draw = () => {
    const fresh = pending.current;
    if (fresh.length === 0) return;
    pending.current = [];
    setWaiting(0);
    setEntries((old) => prepend(old, fresh, MOST));
  };
  useEffect(() => {
    if (from === undefined) return;
    pending.current = [];
    setEntries([]);
    setAtEnd(false);
    setSettled(false);
    const settling = setTimeout(() => setSettled(true), SETTLE_MS);
    const take = (entry: Entry) => {
      pending.current.push(entry);
      // Paused for an hour, one wants the latest, not all.
      if (pending.current.length > MOST) pending.current.shift();
    };
    const stream = new Stream(
      { onEvent: (event) => take({ type: 'event', event }), onGap: (gap) => take({ type: 'gap', gap }), onState: setState },
      { after: from, kinds: question ? question.split(',') : undefined },
    );
    const timer = setInterval(() => (isPaused.current ? setWaiting(pending.current.length) : draw()), DRAW_MS);
    return () => {
      stream.close();
      clearInterval(timer);
      clearTimeout(settling);
    };
  }, [from, question]);

  return {
    entries,
    state,
    paused,
    waiting,
    isAtEnd,
    isSettled,
    toggle: () => setPaused(!paused),
    addOlder: (older: Happening[]) => {
      setEntries((old) => append(old, older).slice(0, MOST));
      if (older.length === 0) setAtEnd(true);
    },
  };
}
