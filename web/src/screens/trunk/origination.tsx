// Trunk → Origination: where calls to this trunk go, one URI at a time (TRK-1, TRK-3, TRK-5).

import { useState } from 'preact/hooks';
import { path, request } from '../../core/api';
import { useEdit } from '../../ui/edit';
import { heads } from '../../core/patch';
import { FAILOVER, names } from '../../core/settings';
import type { Origination as Uri, Target, Trunk } from '../../core/types';
import { Badge, Button, Empty, Panel, type Tone } from '../../ui/basic';
import { ask } from '../../ui/dialog';
import { SaveBar } from '../../ui/save-bar';
import { SettingsGroup } from '../../ui/settings-form';
import { say, sayProblem } from '../../ui/toast';
import { ago, words } from '../../core/format';
import type { TabProps } from './index';
import { UriDialog } from './uri-dialog';

/** TRK-1. */
const MOST_URIS = 10;

const SHOWN = names([FAILOVER]);
const FIELDS = heads(SHOWN);

export function Origination(props: TabProps) {
  const { trunk, etag, readOnly, onSaved } = props;
  const edit = useEdit({ path: path('trunks', trunk.name), value: trunk, etag }, FIELDS, onSaved);
  return (
    <>
      <Uris {...props} />
      <SettingsGroup group={FAILOVER} settings={edit.draft} onChange={(settings) => edit.change(settings as Trunk)} problemAt={edit.problemAt} readOnly={readOnly} />
      <SaveBar edit={edit} shownFields={SHOWN} />
    </>
  );
}

/** `destination` is short for one URI. */
export function uris(trunk: Trunk): Uri[] {
  return trunk.destination ? [{ uri: trunk.destination }] : (trunk.origination ?? []);
}

function Uris({ trunk, etag, readOnly, onSaved, reload }: TabProps) {
  const [edited, setEdited] = useState<number | 'new' | undefined>();
  const list = uris(trunk);
  const isFull = list.length >= MOST_URIS;

  /** Puts another list in place of the one that is there. */
  const put = async (next: Uri[]) => {
    const body = { destination: null, origination: next };
    const answer = await request<Trunk>('PATCH', path('trunks', trunk.name), { body, etag: etag ?? '*' });
    if (answer.body) onSaved(answer.body, answer.etag);
    else reload();
  };
  const change = (next: Uri[]) => void put(next).catch((error: unknown) => { sayProblem(error); reload(); });
  const move = (index: number, by: number) => {
    const next = [...list];
    const [uri] = next.splice(index, 1);
    if (!uri || index + by < 0 || index + by > next.length) return;
    next.splice(index + by, 0, uri);
    change(next);
    requestAnimationFrame(() => document.querySelector<HTMLElement>(`[data-uri-row="${index + by}"]`)?.focus());
  };
  const remove = async (index: number) => {
    const uri = list[index]?.uri;
    const isLast = list.length === 1;
    const text = isLast ? 'It is the last one: calls to this trunk will find no way.' : 'Calls go to the others from now on.';
    if (await ask({ title: 'Remove this target?', text: <><code>{uri}</code><br />{text}</>, action: 'Remove', danger: true })) {
      change(list.filter((_, place) => place !== index));
    }
  };
  const add = (
    <Button kind={list.length === 0 ? 'primary' : 'plain'} icon="plus" needs="admin" blocked={isFull ? `A trunk has at most ${MOST_URIS} URIs.` : trunk.origin === 'file' ? 'The trunk stands in trunkline.toml.' : undefined} onClick={() => setEdited('new')}>
      Add URI
    </Button>
  );
  return (
    <Panel title="Origination URIs" about="Lowest priority first; among equals, as often as the weight says. The next one is tried when one fails." actions={list.length > 0 && add}>
      {list.length === 0 ? (
        <Empty icon="trunk" title="Calls to this trunk have nowhere to go">
          <p>Add the peer’s SIP address. Add a second one, and calls fail over to it.</p>
          {add}
        </Empty>
      ) : (
        <table class="table stack uris">
          <thead>
            <tr>
              <th scope="col">URI</th>
              <th scope="col" class="number w-small">Priority</th>
              <th scope="col" class="number w-small">Weight</th>
              <th scope="col" class="w-state">State</th>
              <th scope="col" class="w-actions"><span class="sr">Actions</span></th>
            </tr>
          </thead>
          <tbody>
            {list.map((uri, index) => (
              <UriRow
                key={uri.uri}
                uri={uri}
                index={index}
                last={index === list.length - 1}
                target={trunk.state?.targets?.find((target) => target.uri === uri.uri)}
                readOnly={readOnly}
                onEdit={() => setEdited(index)}
                onMove={(by) => move(index, by)}
                onRemove={() => void remove(index)}
                onToggle={(enabled) => change(list.map((other, place) => (place === index ? { ...other, enabled } : other)))}
              />
            ))}
          </tbody>
        </table>
      )}
      {edited !== undefined && (
        <UriDialog
          trunk={trunk}
          uri={edited === 'new' ? undefined : list[edited]}
          at={edited === 'new' ? list.length : edited}
          onClose={() => setEdited(undefined)}
          onPut={async (uri) => {
            await put(edited === 'new' ? [...list, uri] : list.map((other, place) => (place === edited ? uri : other)));
            say(edited === 'new' ? 'Added.' : 'Changed.');
            setEdited(undefined);
          }}
        />
      )}
    </Panel>
  );
}

interface RowProps {
  uri: Uri;
  index: number;
  last: boolean;
  target: Target | undefined;
  readOnly: boolean;
  onEdit: () => void;
  onMove: (by: number) => void;
  onRemove: () => void;
  onToggle: (enabled: boolean) => void;
}

function UriRow({ uri, index, last, target, readOnly, onEdit, onMove, onRemove, onToggle }: RowProps) {
  const isEnabled = uri.enabled !== false;
  const pressed = (event: KeyboardEvent) => {
    if (readOnly || !event.altKey || (event.key !== 'ArrowUp' && event.key !== 'ArrowDown')) return;
    event.preventDefault();
    onMove(event.key === 'ArrowUp' ? -1 : 1);
  };
  return (
    <tr class={isEnabled ? '' : 'off'} tabIndex={readOnly ? undefined : 0} data-uri-row={index} onKeyDown={pressed} aria-keyshortcuts={readOnly ? undefined : 'Alt+ArrowUp Alt+ArrowDown'}>
      <th scope="row">
        <span class="mono break">{uri.uri}</span>
      </th>
      <td data-label="Priority" class="number">{uri.priority ?? 0}</td>
      <td data-label="Weight" class="number">{uri.weight ?? 1}</td>
      <td data-label="State">
        <TargetState target={target} isEnabled={isEnabled} />
      </td>
      <td class="row-actions">
        {!readOnly && (
          <>
            <label class="toggle" title={isEnabled ? 'Takes calls; switch off to spare it' : 'Switched off'}>
              <input type="checkbox" role="switch" checked={isEnabled} aria-label={`${uri.uri} enabled`} onChange={(event) => onToggle(event.currentTarget.checked)} />
            </label>
            <Button kind="quiet" icon="up" label="Move up" disabled={index === 0} onClick={() => onMove(-1)} />
            <Button kind="quiet" icon="down" label="Move down" disabled={last} onClick={() => onMove(1)} />
            <Button kind="quiet" icon="edit" label={`Edit ${uri.uri}`} onClick={onEdit} />
            <Button kind="quiet" icon="trash" label={`Remove ${uri.uri}`} onClick={onRemove} />
          </>
        )}
      </td>
    </tr>
  );
}

const STATES: Record<string, Tone> = { in_service: 'good', failing: 'warning', out_of_service: 'bad' };

/** How the target stands, and what the latest probe brought. */
function TargetState({ target, isEnabled }: { target: Target | undefined; isEnabled: boolean }) {
  if (!isEnabled) return <Badge>switched off</Badge>;
  if (!target?.state) return <Badge title="Not known yet">–</Badge>;
  const probe = target.latest_probe ? `Latest probe: ${target.latest_probe}, ${ago((target.probed_ms ?? 0) / 1000)}` : 'Not probed';
  return (
    <>
      <Badge tone={STATES[target.state] ?? 'neutral'} title={probe}>
        {words(target.state)}
      </Badge>
      {target.state !== 'in_service' && target.latest_probe && <small class="under">{target.latest_probe}</small>}
    </>
  );
}
