// All trunks: who they are, how they are secured, and how their targets stand.

import { useState } from 'preact/hooks';
import { asProblem, get, query, request, type Problem } from '../core/api';
import { count } from '../core/format';
import { useLoad } from '../core/load';
import { go, link, place, setQuery } from '../core/route';
import { MODES, ofMode } from '../core/security';
import type { Page, Secure, Trunk } from '../core/types';
import { Badge, Button, Empty, Freshness, Head, InEffect, Notice, type Tone } from '../ui/basic';
import { Dialog } from '../ui/dialog';
import { Segments, TextField } from '../ui/field';
import { Search } from '../ui/search';
import { SecurityBadge } from '../ui/security';
import { say } from '../ui/toast';

const EVERY_MS = 5000;
/** More trunks than that are found by searching. */
const MOST = 1000;

export function Trunks() {
  const trunks = useLoad('trunks', (signal) => get<Page<Trunk>>(`trunks${query({ limit: MOST })}`, signal), { everyMs: EVERY_MS });
  const [isCreating, setCreating] = useState(false);
  const search = place.value.query.get('q') ?? '';
  const all = trunks.value?.items ?? [];
  const found = all.filter((trunk) => matches(trunk, search));
  const create = (
    <Button kind="primary" icon="plus" needs="admin" onClick={() => setCreating(true)}>
      New trunk
    </Button>
  );
  return (
    <>
      <Head title="Trunks" about="Carriers, PBXs and providers that calls come from and go to.">
        {create}
      </Head>
      {trunks.value && all.length === 0 && (
        <Empty icon="trunk" title="No trunks yet">
          <p>A trunk is one peer: a carrier, a PBX, a provider. Make two, then a route from one to the other, and calls pass.</p>
          {create}
        </Empty>
      )}
      {!(trunks.value && all.length === 0) && (
        <>
          <div class="tools">
            <Search value={search} onInput={(text) => setQuery({ q: text })} placeholder="Name, domain, address or URI" />
            {trunks.value && <span class="tools-count">{found.length === all.length ? count(all.length) : `${count(found.length)} of ${count(all.length)}`}</span>}
          </div>
          <Freshness of={trunks} what="Trunks" />
          {found.length > 0 && <TrunkTable trunks={found} />}
          {trunks.value && found.length === 0 && (
            <Empty icon="search" title="No trunk matches">
              <Button onClick={() => setQuery({ q: undefined })}>Clear the search</Button>
            </Empty>
          )}
        </>
      )}
      {isCreating && <CreateTrunk onClose={() => setCreating(false)} />}
    </>
  );
}

function matches(trunk: Trunk, search: string): boolean {
  const text = [trunk.name, trunk.destination, ...(trunk.domains ?? []), ...(trunk.acl ?? []), ...(trunk.origination ?? []).map((target) => target.uri)];
  const wanted = search.toLowerCase();
  return text.some((part) => part?.toLowerCase().includes(wanted));
}

function TrunkTable({ trunks }: { trunks: Trunk[] }) {
  return (
    <table class="table stack trunks">
      <thead>
        <tr>
          <th scope="col">Trunk</th>
          <th scope="col" class="w-security">Security</th>
          <th scope="col">Calls come from</th>
          <th scope="col">Calls go to</th>
          <th scope="col" class="w-state">State</th>
          <th scope="col" class="number w-calls">Calls</th>
        </tr>
      </thead>
      <tbody>
        {trunks.map((trunk) => (
          <tr key={trunk.name} class="openable" onClick={(event) => !(event.target as Element).closest('a') && go(link('trunks', trunk.name))}>
            <th scope="row">
              <a class="clip" href={link('trunks', trunk.name)} title={trunk.name}>{trunk.name}</a>
              {trunk.origin === 'file' && <Badge title="Stands in trunkline.toml: read-only here">file</Badge>}
              <InEffect of={trunk} />
            </th>
            <td data-label="Security">
              <SecurityBadge security={ofMode(trunk.secure)} />
            </td>
            <td data-label="Calls come from" class="clip mono">{some([...(trunk.domains ?? []), ...(trunk.acl ?? [])])}</td>
            <td data-label="Calls go to" class="clip mono">{some(targets(trunk))}</td>
            <td data-label="State">
              <TargetSummary trunk={trunk} />
            </td>
            <td data-label="Calls" class="number">{count(trunk.state?.calls ?? 0)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function targets(trunk: Trunk): string[] {
  return trunk.destination ? [trunk.destination] : (trunk.origination ?? []).map((target) => target.uri);
}

/** The first of them, and how many more. */
function some(texts: string[]): string {
  if (texts.length === 0) return '–';
  return texts.length === 1 ? (texts[0] ?? '') : `${texts[0]} +${texts.length - 1}`;
}

function TargetSummary({ trunk }: { trunk: Trunk }) {
  const states = (trunk.state?.targets ?? []).filter((target) => target.enabled !== false);
  const { registration } = trunk.state ?? {};
  if (registration && !registration.registered) return <Badge tone="bad" title={registration.problem ?? undefined}>not registered</Badge>;
  if (states.length === 0) return <Badge>{targets(trunk).length === 0 ? 'receives only' : 'not probed'}</Badge>;
  const up = states.filter((target) => target.state === 'in_service').length;
  const tone: Tone = up === states.length ? 'good' : up === 0 ? 'bad' : 'warning';
  return <Badge tone={tone}>{states.length === 1 ? (up ? 'in service' : words(states[0]?.state)) : `${up} of ${states.length} in service`}</Badge>;
}

function words(state: string | null | undefined): string {
  return (state ?? '').replaceAll('_', ' ');
}

function CreateTrunk({ onClose }: { onClose: () => void }) {
  const [name, setName] = useState('');
  const [secure, setSecure] = useState<Secure>('disabled');
  const [acl, setAcl] = useState('');
  const [problem, setProblem] = useState<Problem | undefined>();
  const mode = MODES.find((mode) => mode.value === secure);
  const submit = async () => {
    setProblem(undefined);
    const addresses = acl.split(/[\s,]+/).filter(Boolean);
    const body = { name: name.trim(), secure, ...(addresses.length > 0 ? { acl: addresses } : {}) };
    try {
      await request('POST', 'trunks', { body });
      say(`Trunk ${body.name} is there.`);
      onClose();
      go(link('trunks', body.name, 'origination'));
    } catch (error) {
      setProblem(asProblem(error));
    }
  };
  const at = (field: string) => (problem?.field?.startsWith(field) ? problem.sentence : undefined);
  const isElsewhere = problem && !['name', 'secure', 'acl'].some((field) => problem.field?.startsWith(field));
  return (
    <Dialog
      title="New trunk"
      onClose={onClose}
      onSubmit={() => void submit()}
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" kind="primary">
            Create
          </Button>
        </>
      }
    >
      {isElsewhere && <Notice tone="bad">{problem.sentence}</Notice>}
      <TextField label="Name" name="name" value={name} onInput={setName} problem={at('name')} autoFocus required placeholder="carrier" help="It stays: records, events and routes name the trunk by it." />
      <div class="field">
        <span class="label">Secure Trunking</span>
        <Segments label="Secure Trunking" name="secure" value={secure} onChange={setSecure} choices={MODES} />
        <p class="field-help">{mode?.summary}</p>
        {at('secure') && <p class="field-problem">{at('secure')}</p>}
      </div>
      <TextField label="May call from" name="acl" value={acl} onInput={setAcl} problem={at('acl')} mono placeholder="198.51.100.0/24, 203.0.113.7" help="Addresses or networks; empty if it does not call us. Where its calls go is next." />
    </Dialog>
  );
}
