// Tokens: what programs and people sign in with. The secret is shown once.

import { useState } from 'preact/hooks';
import { type Problem, asProblem, get, path, request } from '../core/api';
import { time } from '../core/format';
import { useLoad } from '../core/load';
import { refusal } from '../core/session';
import type { Page, Role, Token } from '../core/types';
import { Badge, Button, Empty, Freshness, Head, Notice } from '../ui/basic';
import { Dialog, ask } from '../ui/dialog';
import { Segments, TextField } from '../ui/field';
import { say, sayProblem } from '../ui/toast';

const ROLES: { value: Role; label: string; what: string }[] = [
  { value: 'read', label: 'Read', what: 'Sees everything but secrets; changes nothing.' },
  { value: 'operate', label: 'Operate', what: 'And acts on calls: hang up, hold, transfer, place; drain.' },
  { value: 'admin', label: 'Admin', what: 'And changes the configuration, tokens and webhooks; backup, export with secrets.' },
];

export function Tokens() {
  const why = refusal('admin');
  const loaded = useLoad(why ? undefined : 'tokens', (signal) => get<Page<Token>>('tokens', signal));
  const [isCreating, setCreating] = useState(false);
  const [created, setCreated] = useState<string | undefined>();
  const tokens = loaded.value?.items ?? [];
  const add = (
    <Button kind="primary" icon="plus" needs="admin" onClick={() => setCreating(true)}>
      New token
    </Button>
  );
  return (
    <>
      <Head title="Tokens" about="Who may use the API and this console.">{add}</Head>
      {why ? <Notice title="Not for this token">{why}</Notice> : <Freshness of={loaded} what="Tokens" />}
      {loaded.value && tokens.length === 0 && (
        <Empty icon="token" title="No tokens">
          <p>The Unix socket needs none. Make one for each program and each person, so that the audit says who it was.</p>
          {add}
        </Empty>
      )}
      {tokens.length > 0 && (
        <table class="table stack">
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col">Id</th>
              <th scope="col" class="w-state">Role</th>
              <th scope="col" class="w-time">Created</th>
              <th scope="col" class="w-time">Last used</th>
              <th scope="col" class="w-actions"><span class="sr">Actions</span></th>
            </tr>
          </thead>
          <tbody>
            {tokens.map((token) => (
              <tr key={token.id}>
                <th scope="row" class="break">{token.label}</th>
                <td data-label="Id" class="mono">{token.id}</td>
                <td data-label="Role"><Badge tone={token.role === 'admin' ? 'warning' : 'neutral'}>{token.role}</Badge></td>
                <td data-label="Created" class="figure">{time(token.created_ms)}</td>
                <td data-label="Last used" class="figure">{time(token.last_used_ms)}</td>
                <td class="row-actions">
                  <Button kind="quiet" icon="trash" label={`Revoke ${token.label}`} needs="admin" onClick={() => void revoke(token, loaded.reload)} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {isCreating && (
        <CreateToken
          onClose={() => setCreating(false)}
          onCreated={(secret) => {
            setCreating(false);
            setCreated(secret);
            loaded.reload();
          }}
        />
      )}
      {created && <Secret secret={created} onClose={() => setCreated(undefined)} />}
    </>
  );
}

async function revoke(token: Token, reload: () => void): Promise<void> {
  const name = token.label;
  if (!(await ask({ title: `Revoke ${name}?`, text: 'Whoever uses it is locked out at once.', action: 'Revoke', danger: true }))) return;
  try {
    await request('DELETE', path('tokens', token.id));
    say(`Token ${name} is revoked.`);
  } catch (error) {
    sayProblem(error);
  }
  reload();
}

function CreateToken({ onClose, onCreated }: { onClose: () => void; onCreated: (secret: string) => void }) {
  const [label, setLabel] = useState('');
  const [role, setRole] = useState<Role>('read');
  const [problem, setProblem] = useState<Problem | undefined>();
  const submit = async () => {
    setProblem(undefined);
    try {
      const { body } = await request<Token>('POST', 'tokens', { body: { label: label.trim(), role } });
      onCreated(body.token ?? '');
    } catch (error) {
      setProblem(asProblem(error));
    }
  };
  return (
    <Dialog
      title="New token"
      onClose={onClose}
      onSubmit={() => void submit()}
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" kind="primary">Create</Button>
        </>
      }
    >
      {problem && problem.field !== 'label' && <Notice tone="bad">{problem.sentence}</Notice>}
      <TextField label="Name" name="label" value={label} onInput={setLabel} autoFocus problem={problem?.field === 'label' ? problem.sentence : undefined} placeholder="monitoring" help="The audit shows it." />
      <div class="field">
        <span class="label">Role</span>
        <Segments label="Role" value={role} onChange={setRole} choices={ROLES} />
        <p class="field-help">{ROLES.find((one) => one.value === role)?.what}</p>
      </div>
    </Dialog>
  );
}

function Secret({ secret, onClose }: { secret: string; onClose: () => void }) {
  const copy = () => void navigator.clipboard?.writeText(secret).then(() => say('Copied.'), () => say('Not copied: select it and copy by hand.', 'warning'));
  return (
    <Dialog title="The new token" onClose={onClose} onSubmit={onClose} actions={<Button type="submit" kind="primary">I have it</Button>}>
      <Notice tone="warning" title="Shown once">Keep it now: only its hash is stored, and nobody can show it again.</Notice>
      <div class="secret">
        <code class="break">{secret}</code>
        <Button icon="copy" onClick={copy}>Copy</Button>
      </div>
    </Dialog>
  );
}
