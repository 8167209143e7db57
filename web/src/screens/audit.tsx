// Who changed what.

import { get, query } from '../core/api';
import { oneLine, time, words } from '../core/format';
import { useLoad } from '../core/load';
import { place, setQuery } from '../core/route';
import { refusal } from '../core/session';
import type { AuditEntry, Page } from '../core/types';
import { Badge, Empty, Freshness, Head, Notice } from '../ui/basic';
import { Pager } from '../ui/pager';

const PAGE = 50;

export function Audit() {
  const after = place.value.query.get('after') ?? undefined;
  const why = refusal('admin');
  const loaded = useLoad(why ? undefined : `audit ${after ?? ''}`, (signal) => get<Page<AuditEntry>>(`audit${query({ limit: PAGE, after })}`, signal), { everyMs: after ? undefined : 10_000 });
  const entries = loaded.value?.items ?? [];
  return (
    <>
      <Head title="Audit" about="Every change, and every attempt at one that was refused. Secrets are not in it." />
      {why ? <Notice title="Not for this token">{why}</Notice> : <Freshness of={loaded} what="The audit" />}
      {loaded.value && entries.length === 0 && (
        <Empty icon="audit" title="Nothing was changed yet">
          <p>Whatever is changed here, over the API or on the command line is written down with who did it and from where.</p>
        </Empty>
      )}
      {entries.length > 0 && (
        <table class="table stack audit">
          <thead>
            <tr>
              <th scope="col" class="w-time">Time</th>
              <th scope="col" class="w-peer">Who</th>
              <th scope="col" class="w-trunk">Did</th>
              <th scope="col" class="w-trunk">To</th>
              <th scope="col">Details</th>
              <th scope="col" class="w-state">Outcome</th>
            </tr>
          </thead>
          <tbody>
            {entries.map((entry) => (
              <tr key={entry.id}>
                <td data-label="Time" class="figure">{time(entry.time)}</td>
                <td data-label="Who">
                  <span class="break">{entry.who}</span> <small class="muted">{entry.role}, {entry.from}</small>
                </td>
                <td data-label="Did">{words(entry.action.replace('.', ' '))}</td>
                <td data-label="To" class="mono break">{entry.object || '–'}</td>
                <td data-label="Details">
                  <Detail value={entry.detail} />
                </td>
                <td data-label="Outcome">
                  <Badge tone={entry.outcome === 'ok' ? 'good' : 'warning'}>{entry.outcome}</Badge>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <Pager after={after} next={loaded.value?.next} onGo={(cursor) => setQuery({ after: cursor })} newest="Newest" older="Older" />
    </>
  );
}

/** Short ones stand there; longer ones open. */
function Detail({ value }: { value: unknown }) {
  if (value === null || value === undefined || (typeof value === 'object' && Object.keys(value).length === 0)) return <span class="muted">–</span>;
  const text = oneLine(value);
  if (text.length <= 60) return <span class="mono break">{text}</span>;
  return (
    <details>
      <summary class="mono">{text.slice(0, 48)}…</summary>
      <pre class="mono">{JSON.stringify(value, null, 2)}</pre>
    </details>
  );
}
