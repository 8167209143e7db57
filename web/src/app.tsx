// The console as a whole: who is signed in, the way around, and the screen that the address names.

import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { get } from './core/api';
import { useLoad } from './core/load';
import { place } from './core/route';
import { resume, session } from './core/session';
import type { Health } from './core/types';
import { Accounts } from './screens/accounts';
import { Audit } from './screens/audit';
import { CallScreen } from './screens/calls/call';
import { LiveCalls } from './screens/calls/live';
import { Certificates } from './screens/certificates';
import { Configuration } from './screens/configuration';
import { EventsScreen } from './screens/events';
import { HealthScreen } from './screens/health';
import { HistoryScreen } from './screens/history';
import { Login } from './screens/login';
import { Routes } from './screens/routes';
import { Tokens } from './screens/tokens';
import { TrunkScreen } from './screens/trunk';
import { Trunks } from './screens/trunks';
import { Webhooks } from './screens/webhooks';
import { Button, Empty, Notice } from './ui/basic';
import { Questions } from './ui/dialog';
import { Navigation } from './ui/navigation';
import { ShortcutHelp } from './ui/shortcut-help';
import { Toasts } from './ui/toast';

const HEALTH_MS = 5000;

export function App() {
  const { state } = session.value;
  return (
    <>
      {state === 'unknown' && <p class="boot">Trunkline</p>}
      {state === 'unreachable' && <Unreachable />}
      {state === 'out' && <Login />}
      {state === 'in' && <Shell />}
      <Questions />
      <Toasts />
    </>
  );
}

function Unreachable() {
  const { value } = session;
  return (
    <main class="alone">
      <Notice tone="bad" title="Trunkline does not answer">
        {value.state === 'unreachable' && value.why}
      </Notice>
      <Button kind="primary" onClick={() => void resume()}>
        Try again
      </Button>
    </main>
  );
}

function Shell() {
  const health = useLoad('health', (signal) => get<Health>('health', signal), { everyMs: HEALTH_MS });
  const [isOpen, setOpen] = useState(false);
  const main = useRef<HTMLElement>(null);
  const where = place.value.parts.join('/');
  const screen = place.value.parts.slice(0, 2).join('/');

  // Another screen begins at its heading, for eyes and for screen readers; at once, not when somebody
  // has begun to type.
  const isFirst = useRef(true);
  useLayoutEffect(() => {
    setOpen(false);
    const heading = main.current?.querySelector<HTMLElement>('h1');
    document.title = heading?.textContent ? `${heading.textContent} · Trunkline` : 'Trunkline';
    if (!isFirst.current) {
      heading?.focus({ preventScroll: true });
      scrollTo(0, 0);
    }
    isFirst.current = false;
  }, [screen]);

  return (
    <div class={`shell ${isOpen ? 'nav-open' : ''}`}>
      <a class="skip" href="#main" onClick={(event) => { event.preventDefault(); main.current?.focus(); }}>
        Skip to content
      </a>
      <Navigation health={health.value} lost={health.problem} isOpen={isOpen} onToggle={setOpen} />
      <main id="main" ref={main} tabIndex={-1}>
        {health.problem?.status === 0 && (
          <Notice tone="bad" title="Connection lost">
            {health.problem.sentence} What is shown may be old; it is tried again by itself.
          </Notice>
        )}
        {health.value?.draining && (
          <Notice tone="warning" title="Draining">
            No new calls are taken. <a href="#/health">End it under Health.</a>
          </Notice>
        )}
        <Screen key={screen} where={where} health={health.value} reload={health.reload} problem={health.problem} at={health.at} />
      </main>
      <ShortcutHelp />
    </div>
  );
}

interface ScreenProps {
  where: string;
  health: Health | undefined;
  problem: ReturnType<typeof useLoad<Health>>['problem'];
  at: number | undefined;
  reload: () => void;
}

function Screen({ health, reload, problem, at }: ScreenProps) {
  const [first = 'trunks', second, third] = place.value.parts;
  switch (first) {
    case 'trunks':
      return second === undefined ? <Trunks /> : <TrunkScreen name={second} tab={third} />;
    case 'routes':
      return <Routes />;
    case 'accounts':
      return <Accounts />;
    case 'calls':
      return second === undefined ? <LiveCalls limit={health?.calls} /> : <CallScreen call={second} tab={third} />;
    case 'history':
      return <HistoryScreen />;
    case 'events':
      return <EventsScreen />;
    case 'certificates':
      return <Certificates />;
    case 'health':
      return <HealthScreen health={{ value: health, problem, at, reload }} />;
    case 'audit':
      return <Audit />;
    case 'tokens':
      return <Tokens />;
    case 'webhooks':
      return <Webhooks />;
    case 'configuration':
      return <Configuration />;
    default:
      return (
        <Empty icon="help" title="There is no such page">
          <p>
            The console has no page “{first}”. <a href="#/trunks">Go to Trunks</a>
          </p>
        </Empty>
      );
  }
}
