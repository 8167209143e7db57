// The way around: at the side, or on a phone behind a button at the top.

import { useEffect, useRef } from 'preact/hooks';
import type { Problem } from '../core/api';
import { count } from '../core/format';
import { place } from '../core/route';
import { session, signOut } from '../core/session';
import { helpOpen } from '../core/shortcuts';
import { nextTheme, setTheme, theme } from '../core/theme';
import type { Health } from '../core/types';
import { Button } from './basic';
import { Icon, type IconName } from './icons';
import { sayProblem } from './toast';

interface Entry {
  to: string;
  name: string;
  icon: IconName;
}

const GROUPS: { name: string; entries: Entry[] }[] = [
  {
    name: 'Trunking',
    entries: [
      { to: 'trunks', name: 'Trunks', icon: 'trunk' },
      { to: 'routes', name: 'Routes', icon: 'route' },
      { to: 'accounts', name: 'Accounts', icon: 'account' },
    ],
  },
  {
    name: 'Traffic',
    entries: [
      { to: 'calls', name: 'Live calls', icon: 'live' },
      { to: 'history', name: 'Call history', icon: 'history' },
      { to: 'events', name: 'Events', icon: 'events' },
    ],
  },
  {
    name: 'System',
    entries: [
      { to: 'health', name: 'Health', icon: 'health' },
      { to: 'certificates', name: 'Certificates', icon: 'certificate' },
      { to: 'configuration', name: 'Import and export', icon: 'files' },
      { to: 'webhooks', name: 'Webhooks', icon: 'webhook' },
      { to: 'tokens', name: 'Tokens', icon: 'token' },
      { to: 'audit', name: 'Audit', icon: 'audit' },
    ],
  },
];

interface NavigationProps {
  health: Health | undefined;
  lost: Problem | undefined;
  isOpen: boolean;
  onToggle: (open: boolean) => void;
}

export function Navigation({ health, lost, isOpen, onToggle }: NavigationProps) {
  const nav = useRef<HTMLElement>(null);
  useEffect(() => {
    if (isOpen) nav.current?.querySelector<HTMLElement>('a')?.focus();
  }, [isOpen]);
  return (
    <>
      <div class="topbar">
        <Button kind="quiet" icon={isOpen ? 'close' : 'menu'} label={isOpen ? 'Close navigation' : 'Open navigation'} onClick={() => onToggle(!isOpen)} />
        <a class="brand" href="#/trunks">
          <Mark /> Trunkline
        </a>
        <State health={health} lost={lost} />
      </div>
      <nav class="nav" ref={nav} aria-label="Console" onKeyDown={(event) => event.key === 'Escape' && onToggle(false)}>
        <a class="brand" href="#/trunks">
          <Mark /> Trunkline
        </a>
        <State health={health} lost={lost} />
        {GROUPS.map((group) => (
          <div class="nav-group" key={group.name}>
            <h2>{group.name}</h2>
            <ul>
              {group.entries.map((entry) => (
                <li key={entry.to}>
                  <Entry entry={entry} health={health} onGo={() => onToggle(false)} />
                </li>
              ))}
            </ul>
          </div>
        ))}
        <Footer version={health?.version} />
      </nav>
      {isOpen && <div class="scrim" onClick={() => onToggle(false)} />}
    </>
  );
}

function Mark() {
  return (
    <svg class="mark" viewBox="0 0 24 24" aria-hidden="true">
      <rect width="24" height="24" rx="5" />
      <path d="M4 8h7l3 4-3 4H4M14 12h6" />
    </svg>
  );
}

function Entry({ entry, health, onGo }: { entry: Entry; health: Health | undefined; onGo: () => void }) {
  const isHere = (place.value.parts[0] ?? 'trunks') === entry.to;
  const calls = entry.to === 'calls' ? health?.calls?.live : undefined;
  const problems = entry.to === 'health' ? health?.problems?.length : undefined;
  return (
    <a href={`#/${entry.to}`} aria-current={isHere ? 'page' : undefined} onClick={onGo}>
      <Icon name={entry.icon} />
      <span>{entry.name}</span>
      {calls !== undefined && <span class="nav-count" aria-label={`${calls} calls`}>{count(calls)}</span>}
      {problems ? <span class="nav-count bad" aria-label={`${problems} problems`}>{problems}</span> : null}
    </a>
  );
}

/** In one word, how the daemon is. */
function State({ health, lost }: { health: Health | undefined; lost: Problem | undefined }) {
  const [tone, text] = lost
    ? ['bad', 'No answer']
    : !health
      ? ['neutral', '…']
      : health.draining
        ? ['warning', 'Draining']
        : health.status === 'ok'
          ? ['good', 'Healthy']
          : ['warning', 'Degraded'];
  return (
    <a class={`state ${tone}`} href="#/health" title="Health">
      <span class="dot" /> {text}
    </a>
  );
}

function Footer({ version }: { version: string | undefined }) {
  const { value } = session;
  const icons = { auto: 'auto', light: 'sun', dark: 'moon' } as const;
  const themes = { auto: 'as the system', light: 'light', dark: 'dark' };
  return (
    <div class="nav-footer">
      <div class="nav-tools">
        <Button kind="quiet" icon={icons[theme.value]} label={`Colours: ${themes[theme.value]}. Change to ${themes[nextTheme()]}`} onClick={() => setTheme(nextTheme())} />
        <Button kind="quiet" icon="help" label="Keyboard shortcuts" onClick={() => (helpOpen.value = true)} />
        <Button kind="quiet" icon="exit" label="Sign out" onClick={() => void signOut().catch(sayProblem)} />
      </div>
      {value.state === 'in' && (
        <p class="nav-who" title={`${value.who.name}, role ${value.who.role}`}>
          {value.who.name} · {value.who.role}
        </p>
      )}
      {version && <p class="nav-version">Trunkline {version}</p>}
      <p class="nav-version">
        <a href="/api/v1/docs" target="_blank" rel="noreferrer">API</a> · <a href="/third-party-licences.txt" target="_blank" rel="noreferrer">Licences</a>
      </p>
    </div>
  );
}
