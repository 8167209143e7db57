// Calls that are up, as they change. The stream of events says when to look; the figures come by polling.

import { useEffect, useRef, useState } from 'preact/hooks';
import { get, query } from '../../core/api';
import { count, duration, fixed, words } from '../../core/format';
import { type Row, figures, isHeld, merge, seconds, worstTrail } from '../../core/live';
import { useLoad } from '../../core/load';
import { now } from '../../core/now';
import { go, link, place, setQuery } from '../../core/route';
import { ofLeg } from '../../core/security';
import { Stream } from '../../core/stream';
import type { Call, Page, Trunk } from '../../core/types';
import { Badge, Button, Empty, Freshness, Head, type Tone } from '../../ui/basic';
import { ChoiceField } from '../../ui/field';
import { Search } from '../../ui/search';
import { PathBadges, SecurityBadge } from '../../ui/security';
import { Spark } from '../../ui/spark';
import { Mos } from './mos';
import { Party } from './party';
import { PlaceCall } from './place-call';

const EVERY_MS = 2000;
/** Events that come in a flood lead to one look, not to a thousand. */
const SOONEST_MS = 400;
const KINDS = ['call_started', 'call_ringing', 'call_answered', 'call_held', 'call_resumed', 'call_transferred', 'call_ended'];
const STEP = 100;
/** What one looks for among more is found by searching. */
const MOST = 500;

export function LiveCalls({ limit }: { limit: { live: number; limit: number | null } | undefined }) {
  const asked = place.value.query;
  const search = asked.get('search') ?? '';
  const trunk = asked.get('trunk') ?? undefined;
  const [most, setMost] = useState(STEP);
  const [isPlacing, setPlacing] = useState(false);
  const where = `calls${query({ search, trunk, limit: most })}`;
  const loaded = useLoad(where, (signal) => get<Page<Call>>(where, signal), { everyMs: EVERY_MS });
  const trunks = useLoad('trunk names', (signal) => get<Page<Trunk>>(`trunks${query({ limit: 1000 })}`, signal));
  useLookOnEvents(loaded.reload);
  const table = useRows(loaded.value, `${search} ${trunk}`);
  const isFiltered = search !== '' || trunk !== undefined;
  const live = limit?.live ?? table.rows.length;
  const placing = (
    <Button icon="phone" needs="operate" onClick={() => setPlacing(true)}>
      Place a call
    </Button>
  );
  return (
    <>
      <Head title="Live calls" about={<span class="figure">{count(live)} up{limit?.limit ? ` of at most ${count(limit.limit)}` : ''}</span>}>
        {placing}
      </Head>
      <div class="tools filters">
        <Search value={search} onInput={(text) => setQuery({ search: text })} placeholder="Number, URI or Call-ID" />
        <ChoiceField label="Trunk" value={trunk} choices={(trunks.value?.items ?? []).map((one) => ({ value: one.name, label: one.name }))} none="all" onChange={(value) => setQuery({ trunk: value })} />
      </div>
      <Freshness of={loaded} what="Calls" />
      {loaded.value && table.rows.length === 0 && (
        <Empty icon={isFiltered ? 'search' : 'live'} title={isFiltered ? 'No live call matches' : 'No calls right now'}>
          {isFiltered ? (
            <Button onClick={() => setQuery({ search: undefined, trunk: undefined })}>Clear the filters</Button>
          ) : (
            <>
              <p>A call appears the moment it comes in. If you expect some: look for refusals under <a href="#/events">Events</a>.</p>
              {placing}
            </>
          )}
        </Empty>
      )}
      {table.rows.length > 0 && <LiveTable rows={table.rows} hold={table.hold} />}
      {loaded.value?.next && (
        <div class="pager">
          <span class="muted">The first {count(table.rows.length)} are shown.</span>
          {most < MOST ? <Button onClick={() => setMost(Math.min(MOST, most + STEP))}>Show more</Button> : <span class="muted">Search to find others.</span>}
        </div>
      )}
      {isPlacing && <PlaceCall trunks={trunks.value?.items ?? []} onClose={() => setPlacing(false)} />}
    </>
  );
}

/** Looks at once when a call begins, changes or ends. */
function useLookOnEvents(reload: () => void): void {
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const look = () => {
      timer ??= setTimeout(() => {
        timer = undefined;
        reload();
      }, SOONEST_MS);
    };
    const stream = new Stream({ onEvent: look, onGap: look }, { kinds: KINDS });
    return () => {
      stream.close();
      clearTimeout(timer);
    };
  }, [reload]);
}

/** Rows that keep their places; a new question begins anew. */
function useRows(page: Page<Call> | undefined, question: string) {
  const [state, setState] = useState<{ question: string; rows: Row[] }>({ question, rows: [] });
  const held = useRef({ pointer: false, focus: false });
  useEffect(() => {
    if (!page) return;
    setState((old) => ({ question, rows: merge(old.question === question ? old.rows : [], page.items, Date.now(), held.current.pointer || held.current.focus) }));
  }, [page]);
  const hold = (by: 'pointer' | 'focus', on: boolean) => {
    held.current[by] = on;
  };
  return { rows: state.question === question ? state.rows : [], hold };
}

function LiveTable({ rows, hold }: { rows: Row[]; hold: (by: 'pointer' | 'focus', on: boolean) => void }) {
  return (
    <table
      class="table stack live"
      onPointerEnter={() => hold('pointer', true)}
      onPointerLeave={() => hold('pointer', false)}
      onFocusCapture={() => hold('focus', true)}
      onBlurCapture={() => hold('focus', false)}
    >
      <thead>
        <tr>
          <th scope="col">From</th>
          <th scope="col">To</th>
          <th scope="col" class="w-state">State</th>
          <th scope="col" class="w-security2">Security</th>
          <th scope="col" class="w-path">Path</th>
          <th scope="col" class="number w-duration">Time</th>
          <th scope="col" class="number w-figure">Loss, %</th>
          <th scope="col" class="number w-figure">Jitter, ms</th>
          <th scope="col" class="number w-figure">MOS</th>
          <th scope="col" class="w-spark"><span class="sr">MOS over time</span></th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <CallRow key={row.call.call} row={row} />
        ))}
      </tbody>
    </table>
  );
}

function CallRow({ row }: { row: Row }) {
  const { call } = row;
  const { loss, jitter, mos, paths } = figures(call);
  return (
    <tr class={`openable ${row.gone === undefined ? '' : 'gone'}`} onClick={(event) => !(event.target as Element).closest('a') && go(link('calls', call.call))}>
      <th scope="row" data-label="From">
        <Party uri={call.from} trunk={call.caller?.trunk} to={link('calls', call.call)} />
      </th>
      <td data-label="To">
        <Party uri={call.to} trunk={call.callee?.trunk} />
      </td>
      <td data-label="State">
        <CallState call={call} isGone={row.gone !== undefined} />
      </td>
      <td data-label="Security">
        <span class="badges">
          <SecurityBadge security={ofLeg(call.caller)} />
          <SecurityBadge security={ofLeg(call.callee)} />
        </span>
      </td>
      <td data-label="Path"><PathBadges paths={paths} /></td>
      <td data-label="Time" class="number"><Ticking row={row} /></td>
      <td data-label="Loss" class="number">{fixed(loss, 2)}</td>
      <td data-label="Jitter" class="number">{fixed(jitter, 1)}</td>
      <td data-label="MOS" class="number"><Mos value={mos} /></td>
      <td data-label="" class="spark-cell"><Spark values={worstTrail(call.mos)} /></td>
    </tr>
  );
}

const STATES: Record<string, Tone> = { answered: 'good', held: 'warning', ringing: 'info', locating: 'info', ending: 'neutral' };

export function CallState({ call, isGone }: { call: Call; isGone?: boolean }) {
  if (isGone) return <Badge>ended</Badge>;
  const state = isHeld(call) ? 'held' : (call.state ?? (call.answer || call.answered_ms ? 'answered' : 'ringing'));
  return <Badge tone={STATES[state] ?? 'neutral'}>{words(state)}</Badge>;
}

/** Counts on between two looks. */
export function Ticking({ row }: { row: Row }) {
  return <>{duration(seconds(row, Math.max(row.seen, now.value)))}</>;
}
