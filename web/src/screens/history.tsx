// Calls that have ended (OPS-2).

import { useEffect, useState } from 'preact/hooks';
import { address, get, query } from '../core/api';
import { count, duration, fixed, time } from '../core/format';
import { figures } from '../core/live';
import { useLoad } from '../core/load';
import { go, link, place, setQuery } from '../core/route';
import { ofLeg } from '../core/security';
import { Stream } from '../core/stream';
import type { Call, Page, Trunk } from '../core/types';
import { Badge, Button, Empty, Freshness, Head, type Tone } from '../ui/basic';
import { ChoiceField, Segments, TextField } from '../ui/field';
import { Pager } from '../ui/pager';
import { Search } from '../ui/search';
import { SecurityBadge } from '../ui/security';
import { Mos } from './calls/mos';
import { Party } from './calls/party';

const PAGE = 50;
/** Typing pauses for so long before one searches. */
const PAUSE_MS = 300;
const FILTERS = ['search', 'trunk', 'outcome', 'from', 'to'] as const;

const OUTCOMES = [
  { value: '', label: 'All' },
  { value: 'answered', label: 'Answered' },
  { value: 'refused', label: 'Refused' },
  { value: 'failed', label: 'Failed' },
];

export function HistoryScreen() {
  const asked = place.value.query;
  const filters = Object.fromEntries(FILTERS.map((name) => [name, asked.get(name) ?? undefined]));
  const after = asked.get('after') ?? undefined;
  const [search, setSearch] = useState(filters['search'] ?? '');
  useEffect(() => {
    if (search === (filters['search'] ?? '')) return;
    const timer = setTimeout(() => setQuery({ search, after: undefined }), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [search]);
  const wanted = { ...filters, from: instant(filters['from']), to: instant(filters['to']) };
  const where = `history${query({ ...wanted, limit: PAGE, after })}`;
  const calls = useLoad(where, (signal) => get<Page<Call>>(where, signal));
  const trunks = useLoad('trunk names', (signal) => get<Page<Trunk>>(`trunks${query({ limit: 1000 })}`, signal));
  const news = useNews();
  const isFiltered = FILTERS.some((name) => filters[name]);
  const filter = (name: string, value: string | undefined) => setQuery({ [name]: value, after: undefined });
  const items = calls.value?.items ?? [];
  return (
    <>
      <Head title="Call history" about="A record of each call, whatever became of it.">
        <Button
          onClick={() => {
            news.forget();
            calls.reload();
          }}
        >
          {news.count > 0 ? `Refresh: ${count(news.count)} new` : 'Refresh'}
        </Button>
        <a class="button plain" href={address(`history.csv${query(wanted)}`).href} download="calls.csv">
          <span>CSV</span>
        </a>
      </Head>
      <div class="tools filters">
        <Search value={search} onInput={setSearch} placeholder="Number, URI or Call-ID" />
        <Segments label="Outcome" value={filters['outcome'] ?? ''} choices={OUTCOMES} onChange={(value) => filter('outcome', value)} />
        <ChoiceField label="Trunk" value={filters['trunk']} choices={(trunks.value?.items ?? []).map((trunk) => ({ value: trunk.name, label: trunk.name }))} none="all" onChange={(value) => filter('trunk', value)} />
        <TextField label="From" kind="datetime-local" value={filters['from'] ?? ''} onInput={(value) => filter('from', value)} />
        <TextField label="To" kind="datetime-local" value={filters['to'] ?? ''} onInput={(value) => filter('to', value)} />
      </div>
      <Freshness of={calls} what="Calls" />
      {calls.value && items.length === 0 && (
        <Empty icon={isFiltered ? 'search' : 'history'} title={isFiltered ? 'No call matches' : 'No calls yet'}>
          {isFiltered ? (
            <Button
              onClick={() => {
                setSearch('');
                setQuery(Object.fromEntries([...FILTERS, 'after'].map((name) => [name, undefined])));
              }}
            >
              Clear the filters
            </Button>
          ) : (
            <p>Calls appear here when they have ended. Those that are up: <a href="#/calls">live calls</a>.</p>
          )}
        </Empty>
      )}
      {items.length > 0 && <Table calls={items} />}
      <Pager after={after} next={calls.value?.next} onGo={(cursor) => setQuery({ after: cursor })} newest="Newest" older="Older calls" />
    </>
  );
}

/** How many calls have ended since: rows do not push each other about by themselves. */
function useNews() {
  const [ended, setEnded] = useState(0);
  useEffect(() => {
    const stream = new Stream({ onEvent: () => setEnded((count) => count + 1) }, { kinds: ['call_ended', 'call_refused'] });
    return () => stream.close();
  }, []);
  return { count: ended, forget: () => setEnded(0) };
}

/** What a date field says is local; the daemon wants to know when that was. */
function instant(local: string | undefined): string | undefined {
  if (!local) return undefined;
  const at = new Date(local);
  return Number.isNaN(at.getTime()) ? undefined : at.toISOString();
}

function Table({ calls }: { calls: Call[] }) {
  return (
    <table class="table stack history">
      <thead>
        <tr>
          <th scope="col" class="w-time">Start</th>
          <th scope="col">From</th>
          <th scope="col">To</th>
          <th scope="col" class="w-security2">Security</th>
          <th scope="col" class="number w-duration">Length</th>
          <th scope="col" class="number w-small">MOS</th>
          <th scope="col" class="w-outcome">Outcome</th>
        </tr>
      </thead>
      <tbody>
        {calls.map((call) => (
          <tr key={call.call} class="openable" onClick={(event) => !(event.target as Element).closest('a') && go(link('calls', call.call))}>
            <td data-label="Start" class="figure">{time(call.start)}</td>
            <th scope="row" data-label="From">
              <Party uri={call.from} trunk={call.caller?.trunk} to={link('calls', call.call)} />
            </th>
            <td data-label="To">
              <Party uri={call.to} trunk={call.callee?.trunk} />
            </td>
            <td data-label="Security">
              <span class="badges">
                <SecurityBadge security={ofLeg(call.caller)} />
                {call.callee && <SecurityBadge security={ofLeg(call.callee)} />}
              </span>
            </td>
            <td data-label="Length" class="number">{call.answer ? duration(call.duration_s) : '–'}</td>
            <td data-label="MOS" class="number"><Mos value={call.mos_min === undefined ? figures(call).mos : call.mos_min} /></td>
            <td data-label="Outcome"><Outcome call={call} /></td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export function Outcome({ call }: { call: Call }) {
  const { status, code, reason } = call;
  const title = [reason, code ? `code ${code}` : '', call.ended_by ? `ended by ${call.ended_by}` : ''].filter(Boolean).join('; ');
  const tone: Tone = call.answer ? (code ? 'warning' : 'good') : (status ?? 0) >= 500 || code ? 'bad' : 'neutral';
  const text = call.answer ? (code ? `cut off, ${code}` : 'answered') : status === 487 ? 'cancelled' : code ? `${status} · ${code}` : `${status ?? fixed(null, 0)}`;
  return <Badge tone={tone} title={title}>{text}</Badge>;
}
