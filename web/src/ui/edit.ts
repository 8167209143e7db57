// One object being edited: what is there, what one has made of it, and saving it against its version.

import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { Problem, asProblem, request } from '../core/api';
import { type Difference, differences, patchOf, withValue } from '../core/patch';
import { setGuard } from '../core/route';
import type { Settings } from '../core/types';
import { ask } from './dialog';
import { say } from './toast';

export interface Conflict<T> {
  theirs: T;
  etag: string | undefined;
  differences: Difference[];
}

export interface Edit<T extends Settings> {
  draft: T;
  change: (draft: T) => void;
  isDirty: boolean;
  isSaving: boolean;
  save: () => Promise<void>;
  revert: () => void;
  /** What the daemon did not like, and where. */
  problemAt: (name: string) => string | undefined;
  /** A problem with no field of the form. */
  problem: Problem | undefined;
  conflict: Conflict<T> | undefined;
  /** Goes on with these values on top of what is there now. */
  settle: (chosen: Settings) => void;
}

export interface Subject<T> {
  /** Path of the object in the API. */
  path: string;
  value: T;
  etag: string | undefined;
}

/**
 * Edits `fields` of an object. While there are changes one is asked before one leaves. `saved` hears of
 * the object as it is after saving.
 */
export function useEdit<T extends Settings>(subject: Subject<T>, fields: readonly string[], saved: (value: T, etag: string | undefined) => void): Edit<T> {
  const [base, setBase] = useState(subject);
  const [draft, setDraft] = useState(subject.value);
  const [problem, setProblem] = useState<Problem | undefined>();
  const [conflict, setConflict] = useState<Conflict<T> | undefined>();
  const [isSaving, setSaving] = useState(false);
  const patch = patchOf(base.value, draft, fields);
  const isDirty = Object.keys(patch).length > 0;

  // What comes anew replaces what nobody has touched.
  const isTouched = useRef(isDirty);
  isTouched.current = isDirty;
  useEffect(() => {
    if (isTouched.current || subject.etag === base.etag) return;
    setBase(subject);
    setDraft(subject.value);
  }, [subject.etag]);
  useGuard(isDirty);

  const save = async () => {
    const clean = withoutEmptyRows(draft, fields);
    setDraft(clean);
    const wanted = patchOf(base.value, clean, fields);
    if (Object.keys(wanted).length === 0) return;
    setSaving(true);
    setProblem(undefined);
    try {
      const answer = await request<T>('PATCH', base.path, { body: wanted, etag: base.etag ?? '*' });
      const now = answer.body ? { body: answer.body, etag: answer.etag } : await request<T>('GET', base.path);
      setBase({ ...base, value: now.body, etag: now.etag });
      setDraft(now.body);
      saved(now.body, now.etag);
      say('Saved. It holds from the next call on.');
    } catch (error) {
      const found = asProblem(error);
      if (found.slug === 'stale' || found.status === 412) await compare(clean);
      else setProblem(found);
    } finally {
      setSaving(false);
    }
  };

  const compare = async (mine: T) => {
    try {
      const theirs = await request<T>('GET', base.path);
      setConflict({ theirs: theirs.body, etag: theirs.etag, differences: differences(base.value, mine, theirs.body, fields) });
    } catch (error) {
      setProblem(asProblem(error));
    }
  };

  const settle = (chosen: Settings) => {
    if (!conflict) return;
    const next = Object.entries(chosen).reduce<Settings>((all, [name, value]) => withValue(all, name, value), conflict.theirs) as T;
    setBase({ ...base, value: conflict.theirs, etag: conflict.etag });
    setDraft(next);
    setConflict(undefined);
  };

  return {
    draft,
    change: (next) => {
      setDraft(next);
      setProblem(undefined);
    },
    isDirty,
    isSaving,
    save,
    revert: () => {
      setDraft(base.value);
      setProblem(undefined);
    },
    problemAt: (name) => (problem?.field === name ? problem.sentence : undefined),
    problem,
    conflict,
    settle,
  };
}

/** Asks before one leaves a form that has changes. */
export function useGuard(isDirty: boolean): void {
  // With the change itself: an ordinary effect comes after the next paint, and one could leave before it.
  useLayoutEffect(() => {
    if (!isDirty) return;
    setGuard(() =>
      ask({
        title: 'Leave without saving?',
        text: 'What you changed on this page is not saved.',
        action: 'Discard changes',
        otherwise: 'Stay',
        danger: true,
      }),
    );
    return () => setGuard(undefined);
  }, [isDirty]);
}

/** Rows of lists in which nothing was written are none. */
function withoutEmptyRows<T extends Settings>(settings: T, fields: readonly string[]): T {
  const result: Settings = { ...settings };
  for (const field of fields) {
    const value = result[field];
    if (Array.isArray(value) && value.every((item) => typeof item === 'string')) {
      result[field] = value.map((item: string) => item.trim()).filter(Boolean);
    }
  }
  return result as T;
}
