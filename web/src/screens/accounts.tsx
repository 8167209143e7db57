// Accounts: telephones that register with us, and where each is registered now (SIG-4).

import { useState } from 'preact/hooks';
import { type Problem, asProblem, get, path, query, request } from '../core/api';
import { count, duration } from '../core/format';
import { useLoad } from '../core/load';
import { link, place, setQuery } from '../core/route';
import type { Account, Binding, Page, Registrations, Trunk } from '../core/types';
import { Badge, Button, Empty, Freshness, Head, InEffect, Notice } from '../ui/basic';
import { Dialog, ask } from '../ui/dialog';
import { ChoiceField, TextField } from '../ui/field';
import { Search } from '../ui/search';
import { say, sayProblem } from '../ui/toast';

const EVERY_MS = 5000;

export function Accounts() {
  const accounts = useLoad('accounts', (signal) => get<Page<Account>>(`accounts${query({ limit: 1000 })}`, signal), { everyMs: EVERY_MS });
  const registrations = useLoad('registrations', (signal) => get<Registrations>('registrations', signal), { everyMs: EVERY_MS });
  const [edited, setEdited] = useState<Account | 'new' | undefined>();
  const search = place.value.query.get('q') ?? '';
  const all = accounts.value?.items ?? [];
  const found = all.filter((account) => [account.aor, account.trunk, account.user].some((text) => text?.toLowerCase().includes(search.toLowerCase())));
  const bindings = new Map((registrations.value?.accounts ?? []).map((one) => [plain(one.aor), one.bindings]));
  const add = (
    <Button kind="primary" icon="plus" needs="admin" onClick={() => setEdited('new')}>
      New account
    </Button>
  );
  return (
    <>
      <Head title="Accounts" about="Telephones that register here. A call to an account rings wherever it is registered.">
        {add}
      </Head>
      <Freshness of={accounts} what="Accounts" />
      {accounts.value && all.length === 0 && (
        <Empty icon="account" title="No accounts yet">
          <p>An account is an address with a password, like alice@acme.sip.example.com, that a telephone registers as. Its trunk must have that domain.</p>
          {add}
        </Empty>
      )}
      {all.length > 0 && (
        <>
          <div class="tools">
            <Search value={search} onInput={(text) => setQuery({ q: text })} placeholder="Address, user or trunk" />
            <span class="tools-count">{count(found.length)}</span>
          </div>
          <table class="table stack accounts">
            <thead>
              <tr>
                <th scope="col">Address of record</th>
                <th scope="col">Trunk</th>
                <th scope="col">User</th>
                <th scope="col">Registered at</th>
                <th scope="col" class="w-actions"><span class="sr">Actions</span></th>
              </tr>
            </thead>
            <tbody>
              {found.map((account) => (
                <AccountRow key={account.aor} account={account} bindings={bindings.get(plain(account.aor)) ?? []} onEdit={() => setEdited(account)} onRemoved={accounts.reload} />
              ))}
            </tbody>
          </table>
          {found.length === 0 && (
            <Empty icon="search" title="No account matches">
              <Button onClick={() => setQuery({ q: undefined })}>Clear the search</Button>
            </Empty>
          )}
        </>
      )}
      {edited !== undefined && (
        <AccountDialog
          account={edited === 'new' ? undefined : edited}
          onClose={() => setEdited(undefined)}
          onSaved={() => {
            setEdited(undefined);
            accounts.reload();
          }}
        />
      )}
    </>
  );
}

/** With and without its scheme it is the same account. */
function plain(aor: string): string {
  return aor.replace(/^sips?:/i, '').toLowerCase();
}

function AccountRow({ account, bindings, onEdit, onRemoved }: { account: Account; bindings: Binding[]; onEdit: () => void; onRemoved: () => void }) {
  const blocked = account.origin === 'file' ? 'It stands in trunkline.toml: change it there.' : undefined;
  const remove = async () => {
    const text = 'Its telephone cannot register or call any more. A call that is up goes on.';
    if (!(await ask({ title: `Remove ${account.aor}?`, text, action: 'Remove account', danger: true }))) return;
    try {
      const { etag } = await request('GET', path('accounts', account.aor));
      await request('DELETE', path('accounts', account.aor), { etag: etag ?? '*' });
      say('Account removed.');
    } catch (error) {
      sayProblem(error);
    }
    onRemoved();
  };
  return (
    <tr>
      <th scope="row">
        <span class="break">{account.aor}</span> {account.origin === 'file' && <Badge title={blocked}>file</Badge>} <InEffect of={account} />
      </th>
      <td data-label="Trunk">
        <a href={link('trunks', account.trunk)}>{account.trunk}</a>
      </td>
      <td data-label="User" class="mono">{account.user ?? plain(account.aor).split('@', 1)[0]}</td>
      <td data-label="Registered at">
        {bindings.length === 0 && ((account.bindings ?? 0) > 0 ? `${account.bindings} places` : <span class="muted">not registered</span>)}
        <ul class="plain">
          {bindings.map((binding) => (
            <li key={binding.contact}>
              <span class="mono break">{binding.source ?? binding.contact}</span> <small class="muted figure" title={binding.contact}>for {duration(binding.expires_s)}</small>
            </li>
          ))}
        </ul>
      </td>
      <td class="row-actions">
        <Button kind="quiet" icon="edit" label={`Edit ${account.aor}`} needs="admin" blocked={blocked} onClick={onEdit} />
        <Button kind="quiet" icon="trash" label={`Remove ${account.aor}`} needs="admin" blocked={blocked} onClick={() => void remove()} />
      </td>
    </tr>
  );
}

function AccountDialog({ account, onClose, onSaved }: { account: Account | undefined; onClose: () => void; onSaved: () => void }) {
  const [aor, setAor] = useState(account?.aor ?? '');
  const [trunk, setTrunk] = useState<string | undefined>(account?.trunk);
  const [user, setUser] = useState(account?.user ?? '');
  const [password, setPassword] = useState('');
  const [problem, setProblem] = useState<Problem | undefined>();
  const trunks = useLoad('trunk names', (signal) => get<Page<Trunk>>(`trunks${query({ limit: 1000 })}`, signal));
  const at = (...fields: string[]) => (fields.includes(problem?.field ?? '') ? problem?.sentence : undefined);
  const isElsewhere = problem && !['aor', 'trunk', 'user', 'password'].includes(problem.field ?? '');
  const submit = async () => {
    setProblem(undefined);
    const common = { trunk, ...(password ? { password } : {}) };
    try {
      if (account) {
        const body = { ...common, user: user.trim() || null };
        await request('PATCH', path('accounts', account.aor), { body, etag: account.version === undefined ? '*' : `"v${account.version}"` });
      } else {
        await request('POST', 'accounts', { body: { ...common, aor: aor.trim(), ...(user.trim() ? { user: user.trim() } : {}) } });
      }
      say(account ? 'Account changed.' : 'Account added.');
      onSaved();
    } catch (error) {
      setProblem(asProblem(error));
    }
  };
  return (
    <Dialog
      title={account ? `Account ${account.aor}` : 'New account'}
      onClose={onClose}
      onSubmit={() => void submit()}
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" kind="primary">{account ? 'Change' : 'Add'}</Button>
        </>
      }
    >
      {isElsewhere && <Notice tone="bad">{problem.status === 412 ? 'Somebody else changed this account: close this to see it as it is now.' : problem.sentence}</Notice>}
      {!account && <TextField label="Address of record" name="aor" mono value={aor} onInput={setAor} problem={at('aor')} autoFocus placeholder="alice@acme.sip.example.com" />}
      <ChoiceField label="Trunk" name="trunk" value={trunk} none="choose one" choices={(trunks.value?.items ?? []).map((one) => ({ value: one.name, label: one.name }))} problem={at('trunk')} onChange={setTrunk} help="The trunk whose domain it has." />
      <TextField label="User for authentication" name="user" mono value={user} onInput={setUser} problem={at('user')} placeholder="as in the address" />
      <TextField label="Password" name="password" kind="password" autocomplete="new-password" value={password} onInput={setPassword} problem={at('password', 'ha1_md5')} placeholder={account ? 'Set; empty keeps it' : ''} />
    </Dialog>
  );
}
