// Who is signed in, and what that token may do.

import { signal } from '@preact/signals';
import { type Problem, asProblem, get, request, whenSignedOut } from './api';
import type { Role } from './types';

export interface Who {
  name: string;
  role: Role;
}

export type Session =
  | { state: 'unknown' }
  | { state: 'out'; why?: string }
  | { state: 'unreachable'; why: string }
  | { state: 'in'; who: Who };

export const session = signal<Session>({ state: 'unknown' });

const RANK: Record<Role, number> = { read: 0, operate: 1, admin: 2 };

whenSignedOut((problem: Problem) => {
  if (session.value.state === 'in') {
    session.value = { state: 'out', why: `You have been signed out: ${problem.sentence}` };
  }
});

/** Asks the daemon whether the cookie from before still counts. */
export async function resume(): Promise<void> {
  try {
    session.value = { state: 'in', who: who(await get<Partial<Who>>('session')) };
  } catch (error) {
    const problem = asProblem(error);
    const isOut = problem.status === 401 || problem.status === 403;
    session.value = isOut ? { state: 'out' } : { state: 'unreachable', why: problem.sentence };
  }
}

/** Trades a token for a cookie that scripts cannot read. */
export async function signIn(token: string): Promise<void> {
  const answer = await request<Partial<Who> | undefined>('POST', 'session', { body: { token } });
  const said = answer.body ?? (await get<Partial<Who>>('session'));
  session.value = { state: 'in', who: who(said) };
}

export async function signOut(): Promise<void> {
  try {
    await request('DELETE', 'session');
  } finally {
    session.value = { state: 'out' };
  }
}

function who(said: Partial<Who> | undefined): Who {
  const role = said?.role && said.role in RANK ? said.role : 'read';
  return { name: said?.name ?? 'token', role };
}

/** Why the signed-in token may not do what needs `role`; undefined if it may. */
export function refusal(role: Role | undefined): string | undefined {
  if (!role || session.value.state !== 'in') return undefined;
  const has = session.value.who.role;
  if (RANK[has] >= RANK[role]) return undefined;
  return `Your token has the role “${has}”; this needs “${role}”.`;
}

export function may(role: Role): boolean {
  return refusal(role) === undefined;
}
