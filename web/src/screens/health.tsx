// How the daemon is: problems first, then what it works with.

import { request } from '../core/api';
import { count, duration, oneLine, time, words } from '../core/format';
import type { Loaded } from '../core/load';
import type { Health } from '../core/types';
import { Badge, Button, Freshness, Head, Notice, Panel } from '../ui/basic';
import { ask } from '../ui/dialog';
import { Meter } from '../ui/meter';
import { say, sayProblem } from '../ui/toast';

export function HealthScreen({ health: loaded }: { health: Omit<Loaded<Health>, 'set'> }) {
  const health = loaded.value;
  return (
    <>
      <Head title="Health" about={health && <span class="figure">Trunkline {health.version}, up for {duration(health.uptime_s)}</span>}>
        {health && <Drain isDraining={health.draining === true} live={health.calls.live} reload={loaded.reload} />}
      </Head>
      <Freshness of={loaded} what="Health" />
      {health && <Body health={health} />}
    </>
  );
}

function Body({ health }: { health: Health }) {
  const problems = health.problems ?? [];
  const failing = (health.webhooks ?? []).filter((webhook) => webhook.failing_since);
  return (
    <>
      {health.draining && (
        <Notice tone="warning" title="Draining">New calls are refused{health.draining_since && <> since {time(health.draining_since)}</>}.</Notice>
      )}
      {problems.length === 0 ? (
        <Notice tone="good" title="All is well">Nothing needs your attention.</Notice>
      ) : (
        problems.map((problem) => (
          <Notice key={`${problem.what} ${problem.detail}`} tone="warning" title={words(problem.what)}>
            {problem.detail} {problem.since && <small class="muted figure">since {time(problem.since)}</small>}
          </Notice>
        ))
      )}
      {failing.map((webhook) => (
        <Notice key={webhook.name} tone="warning" title={`Webhook ${webhook.name} fails`}>since {time(webhook.failing_since)}{webhook.last_error ? `: ${webhook.last_error}` : ''}. <a href="#/webhooks">Webhooks</a></Notice>
      ))}
      <div class="cards">
        <Panel title="Calls">
          <Meter label="Live calls" value={health.calls.live} most={health.calls.limit} />
        </Panel>
        <Media health={health} />
        <Store health={health} />
        <Panel title="Event clients">
          <dl class="values">
            <Fact name="Latest event" value={count(health.events?.latest)} />
            <Fact name="Clients" value={count(health.events?.clients)} />
            <Fact name="Stalled" value={count(health.events?.stalled)} />
          </dl>
        </Panel>
      </div>
      <div class="two">
        <Verdicts health={health} />
        <Cpu health={health} />
      </div>
      <div class="two">
        <Figures title="Limits" values={health.limits} />
        <Figures title="Counters" values={health.counters} hideZeros />
      </div>
    </>
  );
}

function Fact({ name, value }: { name: string; value: preact.ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd class="figure break">{value}</dd>
    </div>
  );
}

function Media({ health }: { health: Health }) {
  const { media } = health;
  return (
    <Panel title="Media">
      <dl class="values">
        <Fact name="Backend" value={media?.backend ?? '–'} />
        {media?.attach_mode && <Fact name="Attached" value={media.attach_mode} />}
      </dl>
      {media?.fallback_reason && <Notice tone="warning" title="Not the fastest way">{media.fallback_reason}</Notice>}
    </Panel>
  );
}

function Store({ health }: { health: Health }) {
  const { state, ...rest } = health.store ?? {};
  return (
    <Panel title="Store">
      <p>
        <Badge tone={state === 'ok' ? 'good' : state === undefined || state === 'none' ? 'neutral' : 'bad'}>{state === undefined ? 'none' : words(String(state))}</Badge>
      </p>
      <dl class="values">
        {Object.entries(rest)
          .filter(([, value]) => value !== null && value !== undefined)
          .map(([name, value]) => (
            <Fact key={name} name={words(name)} value={typeof value === 'number' ? count(value) : oneLine(value)} />
          ))}
      </dl>
    </Panel>
  );
}

const VERDICTS: Record<string, string> = { redirect: 'forwarded in the kernel', xsk: 'relayed by AF_XDP workers', pass: 'not ours, given to the host', relayed: 'sent on by a relay' };

function Verdicts({ health }: { health: Health }) {
  const { drop, ...passed } = health.verdicts ?? {};
  const drops = Object.entries(typeof drop === 'object' ? drop : {}).filter(([, value]) => value > 0).sort(([, a], [, b]) => b - a);
  const most = Math.max(1, ...drops.map(([, value]) => value));
  return (
    <Panel title="Packets" about="Every packet by its fate, since the start.">
      <dl class="values">
        {Object.entries(passed).map(([name, value]) => (
          <Fact key={name} name={VERDICTS[name] ?? words(name)} value={typeof value === 'number' ? count(value) : oneLine(value)} />
        ))}
      </dl>
      <h3>Dropped, by reason</h3>
      {drops.length === 0 && <p class="muted">None.</p>}
      {drops.map(([reason, value]) => (
        <Meter key={reason} label={words(reason.replace(/^drop_/, ''))} value={value} most={most} isPlain />
      ))}
    </Panel>
  );
}

function Cpu({ health }: { health: Health }) {
  const threads = [...(health.cpu ?? [])].sort((a, b) => b.share - a.share);
  return (
    <Panel title="CPU, by thread" about="Share of one core, lately. Packets that the kernel forwards cost no thread anything.">
      {threads.length === 0 && <p class="muted">Not measured yet.</p>}
      {threads.map((thread) => (
        <Meter key={thread.thread} label={thread.thread} value={thread.share * 100} most={100} text={`${(thread.share * 100).toFixed(1)} %`} />
      ))}
    </Panel>
  );
}

/** Groups within groups, as lines with dots. */
function flat(values: Record<string, unknown>, before = ''): [string, unknown][] {
  return Object.entries(values).flatMap(([name, value]): [string, unknown][] =>
    typeof value === 'object' && value !== null && !Array.isArray(value) ? flat(value as Record<string, unknown>, `${before}${name} · `) : [[`${before}${name}`, value]],
  );
}

function Figures({ title, values, hideZeros }: { title: string; values: Record<string, unknown> | undefined; hideZeros?: boolean }) {
  const all = flat(values ?? {}).filter(([, value]) => !hideZeros || (value !== 0 && value !== null));
  return (
    <Panel title={title} {...(hideZeros ? { about: 'Those that are not zero.' } : {})}>
      <dl class="values">
        {all.map(([name, value]) => (
          <Fact key={name} name={words(name)} value={typeof value === 'number' ? count(value) : value === null ? 'no limit' : oneLine(value)} />
        ))}
      </dl>
    </Panel>
  );
}

function Drain({ isDraining, live, reload }: { isDraining: boolean; live: number; reload: () => void }) {
  const toggle = async () => {
    const on = !isDraining;
    const text = on ? `New calls are refused with 503, and readiness is off, so that a load balancer looks elsewhere. The ${count(live)} calls that are up go on.` : 'New calls are taken again.';
    if (!(await ask({ title: on ? 'Drain?' : 'Take calls again?', text, action: on ? 'Drain' : 'Take calls', danger: on }))) return;
    try {
      await request('POST', 'drain', { body: { on } });
      say(on ? 'Draining: no new calls.' : 'Calls are taken again.');
    } catch (error) {
      sayProblem(error);
    }
    reload();
  };
  return (
    <Button needs="operate" onClick={() => void toggle()}>
      {isDraining ? 'Take calls again' : 'Drain'}
    </Button>
  );
}
