// Certificates by names and expiry; what expires first stands first (SEC-4).

import { get } from '../core/api';
import { date } from '../core/format';
import { useLoad } from '../core/load';
import type { Certificate, Page } from '../core/types';
import { Badge, Empty, Freshness, Head, type Tone } from '../ui/basic';

const EVERY_MS = 60_000;
const SOON_DAYS = 14;
const WARN_DAYS = 30;

export function Certificates() {
  const loaded = useLoad('certificates', (signal) => get<Page<Certificate> | Certificate[]>('certificates', signal), { everyMs: EVERY_MS });
  const { value } = loaded;
  const all = value === undefined ? [] : Array.isArray(value) ? value : value.items;
  const sorted = [...all].sort((a, b) => a.days_left - b.days_left);
  return (
    <>
      <Head title="Certificates" about="What Trunkline shows to its peers. Files are read again on reload; no connection and no call is lost by it." />
      <Freshness of={loaded} what="Certificates" />
      {value && sorted.length === 0 && (
        <Empty icon="certificate" title="No certificates">
          <p>
            No listener uses TLS. Give one <code>transport = "tls"</code>, <code>certificate</code> and <code>key</code> in trunkline.toml; then trunks can be secured.
          </p>
        </Empty>
      )}
      {sorted.length > 0 && (
        <table class="table stack">
          <thead>
            <tr>
              <th scope="col">Names</th>
              <th scope="col">Used by</th>
              <th scope="col" class="w-small">Key</th>
              <th scope="col">Until</th>
              <th scope="col" class="w-state">Left</th>
            </tr>
          </thead>
          <tbody>
            {sorted.map((certificate) => (
              <tr key={`${certificate.used_by} ${certificate.key} ${certificate.names.join()}`}>
                <th scope="row" class="break">{certificate.names.join(', ') || '–'}</th>
                <td data-label="Used by">{certificate.used_by}</td>
                <td data-label="Key">{certificate.key}</td>
                <td data-label="Until" class="figure">{date(certificate.not_after)}</td>
                <td data-label="Left">
                  <Badge tone={toneOf(certificate.days_left)}>{certificate.days_left <= 0 ? 'expired' : `${certificate.days_left} days`}</Badge>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </>
  );
}

function toneOf(days: number): Tone {
  if (days < SOON_DAYS) return 'bad';
  return days < WARN_DAYS ? 'warning' : 'good';
}
