// Where in the console one is: the part of the address behind `#`. A form with changes that are not
// saved holds one back until one says what is to become of them.

import { signal } from '@preact/signals';

export interface Place {
  /** Decoded parts: `#/trunks/pbx/general` is `['trunks', 'pbx', 'general']`. */
  parts: string[];
  query: URLSearchParams;
}

// The daemon gives the console for `/trunks/pbx` too: somebody wrote the address by hand.
if (location.pathname !== '/' && !location.hash) history.replaceState(null, '', `/#${location.pathname}`);

export const place = signal<Place>(read(location.hash));

/** A form that has changes: asks whether one may leave. */
type Guard = () => Promise<boolean>;
let guard: Guard | undefined;
/** Where we are while somebody is being asked. */
let settled = location.hash;

function read(hash: string): Place {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?', 2);
  return { parts: path.split('/').filter(Boolean).map(decoded), query: new URLSearchParams(query) };
}

/** A hash that somebody typed may be no encoding of anything. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** `#/trunks/pbx`, each part encoded. */
export function link(...parts: (string | number)[]): string {
  return `#/${parts.map((part) => encodeURIComponent(String(part))).join('/')}`;
}

export function go(hash: string): void {
  location.hash = hash;
}

/** Changes the query of the place that one is at, without a step in the browser's history. */
export function setQuery(values: Record<string, string | undefined>): void {
  const query = new URLSearchParams(place.value.query);
  for (const [name, value] of Object.entries(values)) {
    if (value) query.set(name, value);
    else query.delete(name);
  }
  const text = query.toString();
  const hash = link(...place.value.parts) + (text && `?${text}`);
  history.replaceState(null, '', hash);
  settled = hash;
  place.value = read(hash);
}

/** Sets or, without one, removes the guard. */
export function setGuard(next: Guard | undefined): void {
  guard = next;
}

async function moved(): Promise<void> {
  if (location.hash === settled) return;
  const wanted = location.hash;
  const asked = guard;
  if (asked) {
    history.replaceState(null, '', settled || '#/');
    if (!(await asked())) return;
    guard = undefined;
    history.replaceState(null, '', wanted);
  }
  settled = wanted;
  place.value = read(wanted);
}

addEventListener('hashchange', () => void moved());
addEventListener('beforeunload', (event) => {
  if (guard) event.preventDefault();
});
