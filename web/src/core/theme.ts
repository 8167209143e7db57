// Light or dark: as the system says, unless one of them was chosen here.

import { signal } from '@preact/signals';

export type Theme = 'auto' | 'light' | 'dark';

const KEY = 'trunkline-theme';
const ORDER: Theme[] = ['auto', 'light', 'dark'];

export const theme = signal<Theme>(stored());
/** Counts up whenever colours change: what draws on a canvas draws anew. */
export const repaint = signal(0);

export function setTheme(next: Theme): void {
  theme.value = next;
  try {
    localStorage.setItem(KEY, next);
  } catch {
    // A browser that keeps nothing forgets this too.
  }
  show();
}

export function nextTheme(): Theme {
  return ORDER[(ORDER.indexOf(theme.value) + 1) % ORDER.length] ?? 'auto';
}

/** Tells the style sheet. */
export function show(): void {
  if (theme.value === 'auto') delete document.documentElement.dataset['theme'];
  else document.documentElement.dataset['theme'] = theme.value;
  repaint.value += 1;
}

function stored(): Theme {
  try {
    const text = localStorage.getItem(KEY);
    return ORDER.find((theme) => theme === text) ?? 'auto';
  } catch {
    return 'auto';
  }
}

matchMedia('(prefers-color-scheme: dark)').addEventListener('change', show);
