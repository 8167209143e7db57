// The time, once a second, for everything on the screen that counts on. One timer for a thousand rows.

import { signal } from '@preact/signals';

export const now = signal(Date.now());

const SECOND_MS = 1000;

setInterval(() => {
  if (document.visibilityState === 'visible') now.value = Date.now();
}, SECOND_MS);
