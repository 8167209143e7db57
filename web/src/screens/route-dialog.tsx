// One route, made or changed.

import { useState } from 'preact/hooks';
import { type Problem, asProblem, get, path, query, request } from '../core/api';
import { useLoad } from '../core/load';
import type { Account, Page, Route, Settings, Trunk } from '../core/types';
import { Button, Notice } from '../ui/basic';
import { Dialog } from '../ui/dialog';
import { ChoiceField, Segments, TextField } from '../ui/field';
import { say } from '../ui/toast';

interface RouteDialogProps {
  route: Route | undefined;
  onClose: () => void;
  onSaved: () => void;
}

/** What of a route is written; the rest of the object is told by the daemon. */
const FIELDS = ['from', 'prefix', 'pattern', 'caller_prefix', 'caller_pattern', 'to', 'reject', 'strip', 'prepend', 'caller_strip', 'caller_prepend'] as const;

export function RouteDialog({ route, onClose, onSaved }: RouteDialogProps) {
  const [draft, setDraft] = useState<Settings>(() => Object.fromEntries(FIELDS.map((field) => [field, route?.[field]])));
  const [isReject, setReject] = useState(route?.reject !== undefined && route.reject !== null);
  const [problem, setProblem] = useState<Problem | undefined>();
  const trunks = useLoad('trunk names', (signal) => get<Page<Trunk>>(`trunks${query({ limit: 1000 })}`, signal));
  const accounts = useLoad('account names', (signal) => get<Page<Account>>(`accounts${query({ limit: 1000 })}`, signal));
  const names = (trunks.value?.items ?? []).map((trunk) => ({ value: trunk.name, label: trunk.name }));
  const goals = [...names, ...(accounts.value?.items ?? []).map((account) => ({ value: account.aor, label: `${account.aor} (account)` }))];
  const set = (field: string, value: unknown) => setDraft({ ...draft, [field]: value });
  const at = (field: string) => (problem?.field === field ? problem.sentence : undefined);
  const isElsewhere = problem && !(problem.field && (FIELDS as readonly string[]).includes(problem.field));

  const submit = async () => {
    setProblem(undefined);
    const body = bodyOf(draft, isReject);
    try {
      if (route) {
        const { etag } = await request('GET', path('routes', route.id));
        await request('PUT', path('routes', route.id), { body, etag: versionOf(route) ?? etag ?? '*' });
      } else await request('POST', 'routes', { body });
      say(route ? 'Route changed.' : 'Route added, after the others.');
      onSaved();
    } catch (error) {
      setProblem(asProblem(error));
    }
  };
  const text = (field: string, label: string, more: { placeholder?: string; help?: string } = {}) => (
    <TextField label={label} name={field} mono value={String(draft[field] ?? '')} problem={at(field)} onInput={(value) => set(field, value)} {...more} />
  );
  return (
    <Dialog
      wide
      title={route ? 'Change route' : 'New route'}
      onClose={onClose}
      onSubmit={() => void submit()}
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" kind="primary">
            {route ? 'Change' : 'Add'}
          </Button>
        </>
      }
    >
      {isElsewhere && (
        <Notice tone="bad" title={problem.status === 412 ? 'Somebody else changed this route' : ''}>
          {problem.status === 412 ? 'Close this to see it as it is now, then change it again.' : problem.sentence}
        </Notice>
      )}
      <h3>A call that comes</h3>
      <div class="side-by-side">
        <ChoiceField label="From trunk" name="from" value={draft['from'] as string | undefined} choices={names} none="any" problem={at('from')} onChange={(value) => set('from', value)} />
        {text('prefix', 'To numbers beginning', { placeholder: '43' })}
        {text('pattern', 'To numbers like (regex)', { placeholder: '^43(1|2)\\d+$' })}
        {text('caller_prefix', 'By callers beginning')}
        {text('caller_pattern', 'By callers like (regex)')}
      </div>
      <h3>goes</h3>
      <div class="field">
        <Segments label="What becomes of it" value={isReject ? 'reject' : 'to'} onChange={(value) => setReject(value === 'reject')} choices={[{ value: 'to', label: 'to a trunk or an account' }, { value: 'reject', label: 'nowhere: rejected' }]} />
      </div>
      {isReject ? (
        <TextField label="SIP status" name="reject" kind="number" value={String(draft['reject'] ?? '603')} problem={at('reject')} onInput={(value) => set('reject', value)} help="400 to 699." />
      ) : (
        <>
          <ChoiceField label="To" name="to" value={draft['to'] as string | undefined} choices={goals} none="choose one" problem={at('to')} onChange={(value) => set('to', value)} />
          <h3>with</h3>
          <div class="side-by-side">
            {text('strip', 'Digits off the number', { placeholder: '0' })}
            {text('prepend', 'Then before it', { placeholder: '+' })}
            {text('caller_strip', 'Digits off the caller', { placeholder: '0' })}
            {text('caller_prepend', 'Then before it')}
          </div>
        </>
      )}
    </Dialog>
  );
}

/** The version that was on the screen when the dialog opened: an edit of an older one is refused. */
function versionOf(route: Route): string | undefined {
  return route.version === undefined ? undefined : `"v${route.version}"`;
}

function bodyOf(draft: Settings, isReject: boolean): Settings {
  const given = Object.entries(draft).filter(([, value]) => value !== undefined && value !== null && value !== '');
  const body: Settings = Object.fromEntries(given.map(([name, value]) => [name, typeof value === 'string' && NUMBERS.includes(name) && /^\d{1,9}$/.test(value) ? Number(value) : value]));
  if (isReject) {
    for (const field of ['to', 'strip', 'prepend', 'caller_strip', 'caller_prepend']) delete body[field];
    body['reject'] ??= 603;
  } else delete body['reject'];
  return body;
}

const NUMBERS = ['reject', 'strip', 'caller_strip'];
