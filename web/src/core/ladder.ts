// Where everything of a SIP ladder stands: a lifeline for each party, an arrow for each message.

import type { LadderMessage } from './types';

export interface Lifeline {
  key: string;
  /** `Caller`, `Trunkline`, `Callee`, `Target 2`. */
  title: string;
  address: string;
  /** From the left. */
  column: number;
}

export type Tone = 'request' | 'provisional' | 'success' | 'challenge' | 'failure';

export interface Arrow {
  index: number;
  message: LadderMessage;
  from: number;
  to: number;
  label: string;
  tone: Tone;
  /** The same bytes went before: a retransmission (RFC 3261 section 17). */
  repeated: boolean;
  /** Milliseconds since the message before. */
  pauseMs: number;
}

export interface Layout {
  lifelines: Lifeline[];
  arrows: Arrow[];
  /** Column of Trunkline itself. */
  us: number;
}

const US = 'us';

/**
 * Callers stand on the left, and so do the places where the first party of a call that was placed was
 * tried; Trunkline after them, then each place that it called, in order.
 */
export function layout(messages: LadderMessage[]): Layout {
  const left: Lifeline[] = [];
  const right: Lifeline[] = [];
  for (const message of messages) {
    const side = isCaller(message) || isFirstParty(message) ? left : right;
    const known = side.find((line) => line.key === keyOf(message));
    if (known) {
      // A target that has answered is the callee from then on.
      if (message.leg === 'callee') known.title = titleOf(message);
      continue;
    }
    side.push({ key: keyOf(message), title: titleOf(message), address: remote(message), column: 0 });
  }
  const us: Lifeline = { key: US, title: 'Trunkline', address: '', column: 0 };
  const lifelines = [...left, us, ...right];
  lifelines.forEach((line, column) => (line.column = column));
  const columns = new Map(lifelines.map((line) => [line.key, line.column]));
  return { lifelines, arrows: arrows(messages, columns), us: us.column };
}

function arrows(messages: LadderMessage[], columns: Map<string, number>): Arrow[] {
  const seen = new Set<string>();
  let before = messages[0]?.offset_ms ?? 0;
  return messages.map((message, index) => {
    const [them, us] = [columns.get(keyOf(message)) ?? 0, columns.get(US) ?? 0];
    const isIn = message.direction === 'in';
    const identity = `${message.direction} ${keyOf(message)} ${message.text}`;
    const repeated = message.text !== '' && seen.has(identity);
    seen.add(identity);
    const pauseMs = Math.max(0, message.offset_ms - before);
    before = message.offset_ms;
    return {
      index,
      message,
      from: isIn ? them : us,
      to: isIn ? us : them,
      label: label(message),
      tone: toneOf(message),
      repeated,
      pauseMs,
    };
  });
}

function isCaller(message: LadderMessage): boolean {
  return message.leg === 'caller';
}

function isFirstParty(message: LadderMessage): boolean {
  return message.leg.startsWith('first party ');
}

/** Whoever is not us. */
export function remote(message: LadderMessage): string {
  return message.direction === 'in' ? message.from : message.to;
}

/**
 * The caller is one party, whichever connections it opens; of targets each address is one. One gateway may
 * lead to both parties of a call that was placed: they are two all the same.
 */
function keyOf(message: LadderMessage): string {
  if (isCaller(message)) return 'caller';
  return `${isFirstParty(message) ? 'first party' : 'other'} ${remote(message)}`;
}

function titleOf(message: LadderMessage): string {
  return message.leg.charAt(0).toUpperCase() + message.leg.slice(1);
}

/** `INVITE`, `180 Ringing`: the Request-URI is in the text. */
function label(message: LadderMessage): string {
  if (message.status) return message.summary.replace(/^SIP\/2\.0\s+/, '');
  return message.method ?? message.summary.split(' ', 1)[0] ?? message.summary;
}

export function toneOf(message: LadderMessage): Tone {
  const { status } = message;
  if (!status) return 'request';
  if (status < 200) return 'provisional';
  if (status < 300) return 'success';
  return status === 401 || status === 407 ? 'challenge' : 'failure';
}
