// Webhooks: events, sent to other programs (OPS-3).

import { useState } from 'preact/hooks';
import { type Problem, asProblem, get, path, request } from '../core/api';
import { count, time } from '../core/format';
import { useLoad } from '../core/load';
import { refusal } from '../core/session';
import type { Health, Page, Webhook, WebhookStatus } from '../core/types';
import { Badge, Button, Empty, Freshness, Head, Notice } from '../ui/basic';
import { Dialog, ask } from '../ui/dialog';
import { SwitchField, TextField } from '../ui/field';
import { ListField } from '../ui/list-field';
import { say, sayProblem } from '../ui/toast';

export function Webhooks() {
  const why = refusal('admin');
  const loaded = useLoad(why ? undefined : 'webhooks', (signal) => get<Page<Webhook>>('webhooks', signal), { everyMs: 10_000 });
  const health = useLoad(why ? undefined : 'webhook states', (signal) => get<Health>('health', signal), { everyMs: 10_000 });
  const states = new Map((health.value?.webhooks ?? []).map((status) => [status.name, status]));
  const [edited, setEdited] = useState<Webhook | 'new' | undefined>();
  const webhooks = loaded.value?.items ?? [];
  const add = (
    <Button kind="primary" icon="plus" needs="admin" onClick={() => setEdited('new')}>
      New webhook
    </Button>
  );
  return (
    <>
      <Head title="Webhooks" about="Events, sent to a URL as they happen: signed, retried, never in the way of a call.">{add}</Head>
      {why ? <Notice title="Not for this token">{why}</Notice> : <Freshness of={loaded} what="Webhooks" />}
      {loaded.value && webhooks.length === 0 && (
        <Empty icon="webhook" title="No webhooks">
          <p>Give a URL, and it gets a signed POST for each event of the kinds that you choose.</p>
          {add}
        </Empty>
      )}
      {webhooks.length > 0 && (
        <table class="table stack">
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col">URL</th>
              <th scope="col">Kinds</th>
              <th scope="col" class="w-outcome">State</th>
              <th scope="col" class="w-actions"><span class="sr">Actions</span></th>
            </tr>
          </thead>
          <tbody>
            {webhooks.map((webhook) => (
              <tr key={webhook.name}>
                <th scope="row" class="break">{webhook.name}</th>
                <td data-label="URL" class="mono break">{webhook.url}</td>
                <td data-label="Kinds" class="break">{(webhook.kinds ?? []).join(', ') || 'all'}</td>
                <td data-label="State">
                  <State webhook={webhook} status={states.get(webhook.name)} />
                </td>
                <td class="row-actions">
                  <Button kind="quiet" icon="edit" label={`Edit ${webhook.name}`} needs="admin" onClick={() => setEdited(webhook)} />
                  <Button kind="quiet" icon="trash" label={`Remove ${webhook.name}`} needs="admin" onClick={() => void remove(webhook, loaded.reload)} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {edited !== undefined && (
        <WebhookDialog
          webhook={edited === 'new' ? undefined : edited}
          onClose={() => setEdited(undefined)}
          onSaved={() => {
            setEdited(undefined);
            loaded.reload();
          }}
        />
      )}
    </>
  );
}

function State({ webhook, status }: { webhook: Webhook; status: WebhookStatus | undefined }) {
  if (webhook.enabled === false) return <Badge>switched off</Badge>;
  if (!status) return <Badge>unknown</Badge>;
  const waiting = status.behind ? `${count(status.behind)} waiting` : undefined;
  if (!status.failing_since) return <Badge tone="good" title={`${count(status.delivered ?? 0)} delivered`}>{waiting ?? 'working'}</Badge>;
  return (
    <>
      <Badge tone="bad" title={`since ${time(status.failing_since)}`}>failing</Badge>
      <small class="under">{[status.last_error, waiting].filter(Boolean).join(', ')}</small>
    </>
  );
}

async function remove(webhook: Webhook, reload: () => void): Promise<void> {
  if (!(await ask({ title: `Remove ${webhook.name}?`, text: 'Nothing is sent to it any more; what waits for it is dropped.', action: 'Remove', danger: true }))) return;
  try {
    const { etag } = await request('GET', path('webhooks', webhook.name));
    await request('DELETE', path('webhooks', webhook.name), { etag: etag ?? '*' });
    say('Webhook removed.');
  } catch (error) {
    sayProblem(error);
  }
  reload();
}

function WebhookDialog({ webhook, onClose, onSaved }: { webhook: Webhook | undefined; onClose: () => void; onSaved: () => void }) {
  const [name, setName] = useState(webhook?.name ?? '');
  const [url, setUrl] = useState(webhook?.url ?? '');
  const [kinds, setKinds] = useState(webhook?.kinds ?? []);
  const [secret, setSecret] = useState('');
  const [enabled, setEnabled] = useState(webhook?.enabled !== false);
  const [problem, setProblem] = useState<Problem | undefined>();
  const at = (field: string) => (problem?.field === field ? problem.sentence : undefined);
  const isElsewhere = problem && !/^(name|url|secret|kinds)/.test(problem.field ?? '');
  const submit = async () => {
    setProblem(undefined);
    const body = { name: name.trim(), url: url.trim(), kinds: kinds.map((kind) => kind.trim()).filter(Boolean), enabled, ...(secret ? { secret } : {}) };
    try {
      if (webhook) {
        const { etag } = await request('GET', path('webhooks', webhook.name));
        await request('PUT', path('webhooks', webhook.name), { body, etag: etag ?? '*' });
      } else await request('POST', 'webhooks', { body });
      say(webhook ? 'Webhook changed.' : 'Webhook added.');
      onSaved();
    } catch (error) {
      setProblem(asProblem(error));
    }
  };
  return (
    <Dialog
      title={webhook ? `Webhook ${webhook.name}` : 'New webhook'}
      onClose={onClose}
      onSubmit={() => void submit()}
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" kind="primary">{webhook ? 'Change' : 'Add'}</Button>
        </>
      }
    >
      {isElsewhere && <Notice tone="bad">{problem.sentence}</Notice>}
      {!webhook && <TextField label="Name" name="name" value={name} onInput={setName} problem={at('name')} autoFocus placeholder="crm" />}
      <TextField label="URL" name="url" mono value={url} onInput={setUrl} problem={at('url')} placeholder="https://crm.example.com/trunkline" />
      <TextField label="Secret" name="secret" kind="password" autocomplete="new-password" value={secret} onInput={setSecret} problem={at('secret')} placeholder={webhook ? 'Set; empty keeps it' : ''} help="Bodies are signed with it (HMAC-SHA256)." />
      <ListField label="Kinds of events" name="kinds" value={kinds} onChange={setKinds} placeholder="call_ended" unset="all" problemAt={at} />
      <SwitchField label="Enabled" value={enabled} onChange={setEnabled} />
    </Dialog>
  );
}
