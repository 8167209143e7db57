// Short news at the edge of the screen: what was done, or why not.

import { signal } from '@preact/signals';
import { asProblem } from '../core/api';

interface Toast {
  id: number;
  text: string;
  tone: 'good' | 'warning' | 'bad';
}

const SHOWN_MS = { good: 3500, warning: 6000, bad: 8000 };
const MOST = 4;

const toasts = signal<Toast[]>([]);
let count = 0;

export function say(text: string, tone: Toast['tone'] = 'good'): void {
  const id = ++count;
  const others = toasts.value.filter((toast) => toast.text !== text);
  toasts.value = [...others, { id, text, tone }].slice(-MOST);
  setTimeout(() => dismiss(id), SHOWN_MS[tone]);
}

/** Tells of whatever was thrown. */
export function sayProblem(error: unknown): void {
  say(asProblem(error).sentence, 'bad');
}

function dismiss(id: number): void {
  toasts.value = toasts.value.filter((toast) => toast.id !== id);
}

export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map((toast) => (
        <button key={toast.id} type="button" class={`toast ${toast.tone}`} onClick={() => dismiss(toast.id)} title="Dismiss">
          {toast.text}
        </button>
      ))}
    </div>
  );
}
