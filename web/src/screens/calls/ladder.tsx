// The SIP ladder of a call: a line for each party, an arrow for each message, and its text.

import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { clock, offset } from '../../core/format';
import { type Arrow, type Layout, layout } from '../../core/ladder';
import type { Ladder } from '../../core/types';
import { Badge, Button, Empty, Notice } from '../../ui/basic';
import { say } from '../../ui/toast';

/** Pixels. */
const ROW = 34;
const TOP = 52;
const TIME = 88;
const NARROWEST_COLUMN = 112;
const WIDEST_COLUMN = 260;
const EDGE = 64;
/** Of a letter, about. */
const LETTER = 8;
/** As in style/calls.css. */
const OVERLAID = '(max-width: 1239px)';
/** Above that many messages the rest is shown on request: an SVG of thousands is slow. */
const FIRST = 400;

export function LadderView({ ladder, isLive }: { ladder: Ladder | undefined; isLive: boolean }) {
  const [chosen, setChosen] = useState<number | undefined>();
  const [isWhole, setWhole] = useState(false);
  const messages = useMemo(() => {
    const all = ladder?.messages ?? [];
    return isWhole ? all : all.slice(0, FIRST);
  }, [ladder, isWhole]);
  const drawn = useMemo(() => layout(messages), [messages]);
  if (messages.length === 0) {
    return (
      <Empty icon="events" title={isLive ? 'No messages yet' : 'No ladder of this call'}>
        {!isLive && <p>Messages are kept while memory for them lasts ([api] ladder_memory_mb) and for as long as calls are ([store] keep_calls).</p>}
      </Empty>
    );
  }
  const arrow = chosen === undefined ? undefined : drawn.arrows[chosen];
  return (
    <>
      {ladder?.truncated && <Notice title="Not all messages are here">The call has more of them than are kept; the first and the latest are.</Notice>}
      <div class={`ladder-pane ${arrow ? 'with-text' : ''}`}>
        <Drawing drawn={drawn} chosen={chosen} onChoose={setChosen} />
        {arrow && <MessageText arrow={arrow} onClose={() => setChosen(undefined)} />}
      </div>
      {!isWhole && (ladder?.messages.length ?? 0) > FIRST && <Button onClick={() => setWhole(true)}>Show all {ladder?.messages.length} messages</Button>}
    </>
  );
}

interface DrawingProps {
  drawn: Layout;
  chosen: number | undefined;
  onChoose: (index: number) => void;
}

function Drawing({ drawn, chosen, onChoose }: DrawingProps) {
  const box = useRef<HTMLDivElement>(null);
  const width = useWidth(box);
  useEffect(() => {
    const row = box.current?.querySelector(`[data-message="${chosen}"]`)?.getBoundingClientRect();
    // Where the text lies over the lower half, the arrow that it is of stays in the upper one.
    if (row && matchMedia(OVERLAID).matches && row.bottom > innerHeight * 0.4) scrollBy(0, row.top - 150);
  }, [chosen]);
  const spaces = Math.max(1, drawn.lifelines.length - 1);
  const column = Math.min(WIDEST_COLUMN, Math.max(NARROWEST_COLUMN, (width - TIME - 2 * EDGE) / spaces));
  const x = (index: number) => TIME + EDGE + index * column;
  const total = x(drawn.lifelines.length - 1) + EDGE;
  const height = TOP + drawn.arrows.length * ROW + 16;
  const move = (event: KeyboardEvent, index: number) => {
    const next = event.key === 'ArrowDown' ? index + 1 : event.key === 'ArrowUp' ? index - 1 : undefined;
    if (next !== undefined && drawn.arrows[next]) {
      event.preventDefault();
      box.current?.querySelector<SVGGElement>(`[data-message="${next}"]`)?.focus();
      if (chosen !== undefined) onChoose(next);
    } else if (event.key === 'Enter' || event.key === ' ') {
      event.preventDefault();
      onChoose(index);
    }
  };
  return (
    <div class="ladder" ref={box}>
      <svg width={total} height={height} viewBox={`0 0 ${total} ${height}`} role="group" aria-label="SIP ladder">
        {drawn.lifelines.map((line) => (
          <g key={line.key} class={`lifeline ${line.column === drawn.us ? 'us' : ''}`}>
            <text class="lifeline-title" x={x(line.column)} y={16}>{line.title}</text>
            <text class="lifeline-address" x={x(line.column)} y={32}>{line.address}<title>{line.address}</title></text>
            <line x1={x(line.column)} x2={x(line.column)} y1={42} y2={height - 8} />
          </g>
        ))}
        {drawn.arrows.map((arrow) => (
          <ArrowLine
            key={arrow.index}
            arrow={arrow}
            y={TOP + arrow.index * ROW + 20}
            from={x(arrow.from)}
            to={x(arrow.to)}
            width={total}
            isChosen={arrow.index === chosen}
            // One stop for Tab; arrow keys go on from there.
            isStop={arrow.index === (chosen ?? 0)}
            onChoose={() => onChoose(arrow.index)}
            onKey={(event) => move(event, arrow.index)}
          />
        ))}
      </svg>
    </div>
  );
}

interface ArrowProps {
  arrow: Arrow;
  y: number;
  from: number;
  to: number;
  width: number;
  isChosen: boolean;
  isStop: boolean;
  onChoose: () => void;
  onKey: (event: KeyboardEvent) => void;
}

function ArrowLine({ arrow, y, from, to, width, isChosen, isStop, onChoose, onKey }: ArrowProps) {
  const { message, tone, label, repeated, pauseMs } = arrow;
  const way = to > from ? 1 : -1;
  const tip = to - way * 3;
  const text = cut(`${label}${repeated ? ' (again)' : ''}`, Math.abs(to - from));
  const who = message.direction === 'in' ? `from ${message.leg} ${message.from}` : `to ${message.leg} ${message.to}`;
  const said = `${offset(message.offset_ms)}: ${label} ${who}${message.transport ? ` over ${message.transport.toUpperCase()}` : ''}${repeated ? ', sent again' : ''}`;
  return (
    <g
      class={`arrow ${tone} ${repeated ? 'repeated' : ''} ${isChosen ? 'chosen' : ''}`}
      role="button"
      // In SVG the names of attributes have a case.
      tabindex={isStop ? 0 : -1}
      aria-pressed={isChosen}
      aria-label={said}
      data-message={arrow.index}
      onClick={onChoose}
      onKeyDown={onKey}
    >
      <rect class="hit" x={0} y={y - 21} width={width} height={ROW} />
      <text class={`arrow-time ${pauseMs >= 1000 ? 'paused' : ''}`} x={TIME - 12} y={y + 1}>{offset(message.offset_ms)}</text>
      <text class="arrow-label" x={(from + to) / 2} y={y - 6}>{text}</text>
      <line x1={from + way * 3} x2={tip} y1={y} y2={y} />
      <path d={`M${tip} ${y}l${-way * 7} -4v8z`} />
    </g>
  );
}

/** As much of a text as goes above an arrow; all of it is in the message. */
function cut(text: string, width: number): string {
  const most = Math.max(8, Math.floor(width / LETTER));
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}

/** The width that there is for a drawing. */
function useWidth(box: { current: HTMLElement | null }): number {
  const [width, setWidth] = useState(900);
  useEffect(() => {
    if (!box.current) return;
    const observer = new ResizeObserver(([entry]) => entry && setWidth(entry.contentRect.width));
    observer.observe(box.current);
    return () => observer.disconnect();
  }, []);
  return width;
}

function MessageText({ arrow, onClose }: { arrow: Arrow; onClose: () => void }) {
  const { message, label } = arrow;
  const copy = () => void navigator.clipboard?.writeText(message.text).then(() => say('Copied.'));
  return (
    <section class="message" aria-label={`Text of ${label}`}>
      <div class="panel-head">
        <h2>{label}</h2>
        <div class="panel-actions">
          <Button kind="quiet" icon="copy" label="Copy" onClick={copy} />
          <span data-escape>
            <Button kind="quiet" icon="close" label="Close" onClick={onClose} />
          </span>
        </div>
      </div>
      <p class="message-facts">
        <Badge>{message.direction === 'in' ? 'received' : 'sent'}</Badge> <span class="mono break">{message.from}</span> → <span class="mono break">{message.to}</span>
        {message.transport && <> over {message.transport.toUpperCase()}</>} <span class="muted figure">{message.time ? clock(message.time) : ''} {offset(message.offset_ms)}</span>
      </p>
      <pre class="message-text" tabIndex={0}>{message.text}</pre>
    </section>
  );
}
