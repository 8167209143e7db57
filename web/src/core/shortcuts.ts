// The keyboard: single keys and two in a row, never while one types.

import { signal } from '@preact/signals';
import { go } from './route';

/** Whether the list of shortcuts is open. */
export const helpOpen = signal(false);

/** `g`, then one of these. */
export const PLACES: { key: string; where: string; name: string }[] = [
  { key: 't', where: '#/trunks', name: 'Trunks' },
  { key: 'r', where: '#/routes', name: 'Routes' },
  { key: 'a', where: '#/accounts', name: 'Accounts' },
  { key: 'l', where: '#/calls', name: 'Live calls' },
  { key: 'h', where: '#/history', name: 'Call history' },
  { key: 'e', where: '#/events', name: 'Events' },
  { key: 's', where: '#/health', name: 'Health' },
  { key: 'c', where: '#/certificates', name: 'Certificates' },
];

const SEQUENCE_MS = 1200;

let prefixAt = 0;

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
}

function pressed(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === 'Escape' && isTyping(event.target) && !document.querySelector('dialog[open]')) {
    (event.target as HTMLElement).blur();
    return;
  }
  if (isTyping(event.target) || document.querySelector('dialog[open]')) return;
  const isSecond = performance.now() - prefixAt < SEQUENCE_MS;
  prefixAt = 0;
  if (isSecond) {
    const found = PLACES.find((place) => place.key === event.key);
    if (found) {
      event.preventDefault();
      go(found.where);
    }
    return;
  }
  if (event.key === 'g') prefixAt = performance.now();
  else if (event.key === '?') helpOpen.value = true;
  else if (event.key === '/') focusSearch(event);
  else if (event.key === 'Escape') leaveDetail();
}

function focusSearch(event: KeyboardEvent): void {
  const search = document.querySelector<HTMLInputElement>('input[type=search]');
  if (!search) return;
  event.preventDefault();
  search.focus();
  search.select();
}

/** Closes what is open beside the screen; else from one object back to the list that it is of. */
function leaveDetail(): void {
  const closing = document.querySelector<HTMLElement>('[data-escape] button') ?? document.querySelector<HTMLElement>('a[data-up]');
  closing?.click();
}

export function listen(): void {
  addEventListener('keydown', pressed);
}
