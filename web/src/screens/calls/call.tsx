// One call, live or of the past: its ladder, its quality, its flows, what happened; and what can be done
// with it while it is up.

import { useEffect, useState } from 'preact/hooks';
import { get, path } from '../../core/api';
import { duration, party, time } from '../../core/format';
import { useLoad } from '../../core/load';
import { link } from '../../core/route';
import { ofLeg } from '../../core/security';
import type { CallDetail, Ladder } from '../../core/types';
import { Badge, Empty, Freshness, Head } from '../../ui/basic';
import { SecurityBadge } from '../../ui/security';
import { Tabs } from '../../ui/tabs';
import { Outcome } from '../history';
import { Actions } from './actions';
import { Flows } from './flows';
import { LadderView } from './ladder';
import { CallState, Ticking } from './live';
import { Overview } from './overview';
import { QualityView } from './quality';
import { Timeline } from './timeline';

const EVERY_MS = 1000;

export function CallScreen({ call: number, tab = 'ladder' }: { call: string; tab: string | undefined }) {
  const [isOver, setOver] = useState(false);
  const loaded = useLoad(`call ${number}`, (signal) => get<CallDetail>(path('calls', number), signal), { everyMs: isOver ? undefined : EVERY_MS });
  const call = loaded.value;
  // What has ended does not change any more.
  useEffect(() => setOver(call?.end !== undefined && call.end !== null), [call?.end]);
  if (!call) {
    return (
      <>
        <Head title={`Call ${number}`} up="#/calls" upName="Live calls" />
        {loaded.problem?.status === 404 ? (
          <Empty icon="live" title={`There is no call ${number}`}>
            <p>
              It may have ended longer ago than records are kept. <a href="#/history">Call history</a>
            </p>
          </Empty>
        ) : (
          <Freshness of={loaded} what="The call" />
        )}
      </>
    );
  }
  const ladder = ladderOf(call);
  const tabs = [
    { id: 'ladder', name: 'Ladder', count: ladder?.messages.length },
    { id: 'quality', name: 'Quality' },
    { id: 'flows', name: 'Flows', count: call.flows?.length },
    { id: 'timeline', name: 'Timeline', count: call.timeline?.length },
    { id: 'overview', name: 'Details' },
  ];
  const isLive = !call.end;
  return (
    <>
      <Head
        up={isLive ? '#/calls' : '#/history'}
        upName={isLive ? 'Live calls' : 'Call history'}
        title={
          <span class="parties">
            <span class="break">{party(call.from)}</span> <span class="muted">→</span> <span class="break">{party(call.to)}</span>
          </span>
        }
        about={<Facts call={call} at={loaded.at} />}
      >
        {isLive && <Actions call={call} reload={loaded.reload} />}
      </Head>
      {loaded.problem && <Freshness of={loaded} what="The call" />}
      <Tabs tabs={tabs} now={tab} to={(id) => link('calls', number, id)} label="About the call" />
      <div class="tab-body" key={tab}>
        {tab === 'quality' ? (
          <QualityView call={call} />
        ) : tab === 'flows' ? (
          <Flows call={call} />
        ) : tab === 'timeline' ? (
          <Timeline call={call} />
        ) : tab === 'overview' ? (
          <Overview call={call} />
        ) : (
          <LadderView ladder={ladder} isLive={isLive} />
        )}
      </div>
    </>
  );
}

function ladderOf(call: CallDetail): Ladder | undefined {
  const { ladder } = call;
  if (!ladder) return undefined;
  return Array.isArray(ladder) ? { messages: ladder, truncated: false } : ladder;
}

/** State, security of each side and length, on one line. */
function Facts({ call, at }: { call: CallDetail; at: number | undefined }) {
  const isLive = !call.end;
  return (
    <span class="facts-line">
      {isLive ? <CallState call={call} /> : <Outcome call={call} />}
      <span>
        {call.caller?.trunk ?? 'unknown trunk'} <SecurityBadge security={ofLeg(call.caller)} />
      </span>
      {call.callee && (
        <span>
          {call.callee.trunk ?? 'unknown trunk'} <SecurityBadge security={ofLeg(call.callee)} />
        </span>
      )}
      <span class="figure length">{isLive ? <Ticking row={{ call, gone: undefined, seen: at ?? Date.now() }} /> : call.answer ? duration(call.duration_s) : 'not answered'}</span>
      {call.start && <span class="muted figure">since {time(call.start)}</span>}
      {call.codec && <Badge>{call.codec}</Badge>}
      <span class="muted">call {call.call}</span>
    </span>
  );
}
