// What happened to a call, in order.

import { clock, offset, words } from '../../core/format';
import type { CallDetail } from '../../core/types';
import { Badge, Empty } from '../../ui/basic';
import { toneOf } from '../event-row';

export function Timeline({ call }: { call: CallDetail }) {
  const events = call.timeline ?? [];
  if (events.length === 0) return <Empty icon="events" title="Nothing to tell yet" />;
  const begin = Date.parse(call.start ?? events[0]?.time ?? '');
  return (
    <ol class="timeline">
      {events.map((event) => (
        <li key={event.seq}>
          <span class="figure muted" title={clock(event.time)}>{offset(Math.max(0, Date.parse(event.time) - begin))}</span>
          <Badge tone={toneOf(event.kind)}>{words(event.kind)}</Badge>
          <span class="break">{event.text}</span>
          {event.code && <a class="muted" href={`#/events?kinds=${event.kind}`}>code {event.code}</a>}
        </li>
      ))}
    </ol>
  );
}
