// One event.

import { clock, date, words } from '../core/format';
import { link } from '../core/route';
import type { Happening } from '../core/types';
import { Badge, type Tone } from '../ui/basic';

const BAD = /refused|failed|unreachable|mismatch|malformed|timeout|out_of_service|limit|overloaded|expiring|low$|degraded|failing|gave_up|left_out/;
const GOOD = /answered|in_service|^registered|our_registration$|transfer_done|resumed|recovered|normal$/;

export function toneOf(kind: string): Tone {
  if (BAD.test(kind)) return 'warning';
  return GOOD.test(kind) ? 'good' : 'neutral';
}

export function EventRow({ event }: { event: Happening }) {
  return (
    <tr>
      <td data-label="Number" class="number muted">{event.seq}</td>
      <td data-label="Time" class="figure" title={date(event.time)}>{clock(event.time)}</td>
      <td data-label="Kind">
        <Badge tone={toneOf(event.kind)}>{words(event.kind)}</Badge>
      </td>
      <td data-label="What" class="break">
        {event.text}
        {event.code ? <small class="muted"> code {event.code}</small> : null}
      </td>
      <td data-label="Call">{event.call ? <a href={link('calls', event.call)}>{event.call}</a> : <span class="muted">–</span>}</td>
      <td data-label="Trunk" class="clip">{event.trunk ? <a href={link('trunks', event.trunk)}>{event.trunk}</a> : <span class="muted">–</span>}</td>
      <td data-label="Peer" class="mono clip" title={event.peer ?? undefined}>{event.peer ?? '–'}</td>
    </tr>
  );
}
