// The record of a call: both legs, the targets that were tried, what passed.

import { bytes, count, duration, fixed, lossPercent, oneLine, time } from '../../core/format';
import { tried } from '../../core/targets';
import type { Tried } from '../../core/targets';
import type { CallDetail, Direction, Leg } from '../../core/types';
import { Badge, Panel } from '../../ui/basic';
import { PathBadges } from '../../ui/security';
import { Mos } from './mos';

type Fact = [name: string, value: string | number | null | undefined];

export function Overview({ call }: { call: CallDetail }) {
  return (
    <>
      <Panel title="Call">
        <Facts
          facts={[
            ['From', call.from],
            ['To', call.to],
            ['Start', time(call.start)],
            ['Answer', time(call.answer)],
            ['End', time(call.end)],
            ['Set up in', call.setup_ms == null ? undefined : `${fixed(call.setup_ms, 0)} ms`],
            ['Length', call.answer ? duration(call.duration_s) : undefined],
            ['Ended by', call.ended_by],
            ['SIP status', call.status],
            ['Code', call.code],
            ['Reason', call.reason],
            ['Codec', call.codec],
          ]}
        />
      </Panel>
      <div class="two">
        <LegPanel title="Caller’s leg" leg={call.caller} />
        {call.callee && <LegPanel title="Callee’s leg" leg={call.callee} />}
      </div>
      {tried(call).map((list) => (
        <Targets key={list.title} {...list} />
      ))}
      {(call.media?.directions.length ?? 0) > 0 && <Media directions={call.media?.directions ?? []} />}
    </>
  );
}

function Facts({ facts }: { facts: Fact[] }) {
  const known = facts.filter(([, value]) => value !== undefined && value !== null && value !== '' && value !== '–');
  return (
    <dl class="values">
      {known.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd class="break">{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function LegPanel({ title, leg }: { title: string; leg: Leg }) {
  return (
    <Panel title={title}>
      <Facts
        facts={[
          ['Trunk', leg.trunk],
          ['Call-ID', leg.call_id],
          ['User', leg.user],
          ['Transport', leg.transport?.toUpperCase()],
          ['Peer', leg.remote],
          ['Media', leg.profile],
          ['Suite', leg.suite],
        ]}
      />
    </Panel>
  );
}

function Targets({ title, targets }: Tried) {
  return (
    <Panel title={title}>
      <table class="table stack">
        <thead>
          <tr>
            <th scope="col">URI</th>
            <th scope="col">Address</th>
            <th scope="col" class="w-small">Status</th>
            <th scope="col">Outcome</th>
          </tr>
        </thead>
        <tbody>
          {targets.map((target, index) => (
            <tr key={index}>
              <th scope="row" class="mono break">{target.uri}</th>
              <td data-label="Address" class="mono">{target.address ? `${target.transport}:${target.address}` : '–'}</td>
              <td data-label="Status">{target.status ? <Badge tone={target.status < 300 ? 'good' : 'bad'}>{target.status}</Badge> : '–'}</td>
              <td data-label="Outcome">{target.outcome}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Panel>
  );
}

function Media({ directions }: { directions: Direction[] }) {
  return (
    <Panel title="Media">
      <table class="table stack">
        <thead>
          <tr>
            <th scope="col">From</th>
            <th scope="col">Path</th>
            <th scope="col" class="number">Packets</th>
            <th scope="col" class="number">Bytes</th>
            <th scope="col" class="number">Lost</th>
            <th scope="col" class="number">Jitter</th>
            <th scope="col" class="number">MOS</th>
            <th scope="col">Dropped</th>
          </tr>
        </thead>
        <tbody>
          {directions.map((direction) => (
            <tr key={`${direction.from} ${direction.stream}`}>
              <th scope="row">
                {direction.from}
                {direction.stream > 0 && `, stream ${direction.stream}`}
              </th>
              <td data-label="Path"><PathBadges paths={[direction.path]} /></td>
              <td data-label="Packets" class="number">{count(direction.packets)}</td>
              <td data-label="Bytes" class="number">{bytes(direction.bytes)}</td>
              <td data-label="Lost" class="number">{count(direction.lost)} ({fixed(lossPercent(direction.lost, direction.packets), 2)} %)</td>
              <td data-label="Jitter" class="number">{fixed(direction.jitter_ms, 1)} ms</td>
              <td data-label="MOS" class="number"><Mos value={direction.mos} /></td>
              <td data-label="Dropped" class="mono break">{dropped(direction)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Panel>
  );
}

function dropped({ dropped }: Direction): string {
  if (dropped === undefined || (typeof dropped === 'object' && Object.keys(dropped).length === 0)) return '–';
  return typeof dropped === 'number' ? count(dropped) : oneLine(dropped);
}
