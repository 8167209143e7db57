// What a form changed, as a merge patch (RFC 7396), and what to do when somebody else changed it too.

import type { Settings } from './types';

/** Nothing, an empty text and an empty list are one: the setting is not there. */
export function isUnset(value: unknown): boolean {
  if (value === undefined || value === null || value === '') return true;
  return Array.isArray(value) && value.length === 0;
}

/** A switch of a trunk that is off is one that is not there. */
function sameSetting(a: unknown, b: unknown): boolean {
  const isOff = (value: unknown) => value === false || isUnset(value);
  return (isOff(a) && isOff(b)) || same(a, b);
}

export function same(a: unknown, b: unknown): boolean {
  if (a === b || (isUnset(a) && isUnset(b))) return true;
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, index) => same(item, b[index]));
  }
  if (!isObject(a) || !isObject(b)) return false;
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].every((key) => same(a[key], b[key]));
}

function isObject(value: unknown): value is Settings {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The patch that makes `base` into `draft`, of these fields alone. */
export function patchOf(base: Settings, draft: Settings, fields: readonly string[]): Settings {
  const patch: Settings = {};
  for (const field of fields) {
    if (sameSetting(base[field], draft[field])) continue;
    const value = draft[field];
    if (isUnset(value)) patch[field] = null;
    else if (isObject(value) && isObject(base[field])) {
      const [before, inside] = [base[field] as Settings, value];
      patch[field] = patchOf(before, inside, [...new Set([...Object.keys(before), ...Object.keys(inside)])]);
    } else patch[field] = value;
  }
  return patch;
}

export interface Difference {
  field: string;
  mine: unknown;
  theirs: unknown;
  /** They changed it as well; else only I did, or only they. */
  whose: 'both' | 'mine' | 'theirs';
}

/** Where my draft and what is there by now differ; both began with `base`. */
export function differences(base: Settings, mine: Settings, theirs: Settings, fields: readonly string[]): Difference[] {
  return fields
    .filter((field) => !sameSetting(mine[field], theirs[field]))
    .map((field): Difference => {
      const iDid = !sameSetting(base[field], mine[field]);
      const theyDid = !sameSetting(base[field], theirs[field]);
      const whose = iDid && theyDid ? 'both' : iDid ? 'mine' : 'theirs';
      return { field, mine: mine[field], theirs: theirs[field], whose };
    });
}

/** The value at `dial_plan.country`. */
export function valueAt(settings: Settings, name: string): unknown {
  const [head = '', rest] = split(name);
  const value = settings[head];
  if (rest === undefined) return value;
  return isObject(value) ? value[rest] : undefined;
}

/** The same settings with another value there; a table of which nothing is left is gone too. */
export function withValue(settings: Settings, name: string, value: unknown): Settings {
  const [head = '', rest] = split(name);
  const own = rest === undefined ? value : inner(settings[head], rest, value);
  const result = { ...settings };
  if (isUnset(own)) delete result[head];
  else result[head] = own;
  return result;
}

function inner(table: unknown, name: string, value: unknown): Settings | undefined {
  const result: Settings = isObject(table) ? { ...table } : {};
  if (isUnset(value)) delete result[name];
  else result[name] = value;
  // What only says that there is a secret does not make a table.
  return Object.keys(result).some((key) => !key.startsWith('has_')) ? result : undefined;
}

function split(name: string): [string, string | undefined] {
  const dot = name.indexOf('.');
  return dot < 0 ? [name, undefined] : [name.slice(0, dot), name.slice(dot + 1)];
}

/** The parts that settings of the form stand in: `dial_plan.country` is in `dial_plan`. */
export function heads(names: readonly string[]): string[] {
  return [...new Set(names.map((name) => split(name)[0]))];
}
