// One trunk: its settings in tabs, as trunking consoles have them.

import { request } from '../../core/api';
import { path } from '../../core/api';
import { useLoad } from '../../core/load';
import { go, link } from '../../core/route';
import { may, refusal } from '../../core/session';
import { ofMode } from '../../core/security';
import type { Trunk } from '../../core/types';
import { Badge, Button, Empty, Freshness, Head, InFile, Notice } from '../../ui/basic';
import { ask } from '../../ui/dialog';
import { SecurityBadge } from '../../ui/security';
import { say, sayProblem } from '../../ui/toast';
import { Tabs } from '../../ui/tabs';
import { General } from './general';
import { Origination } from './origination';
import { Registration } from './registration';
import { Termination } from './termination';

const TABS = [
  { id: 'general', name: 'General' },
  { id: 'termination', name: 'Termination' },
  { id: 'origination', name: 'Origination' },
  { id: 'registration', name: 'Registration' },
];
const EVERY_MS = 5000;

/** What each tab is given. */
export interface TabProps {
  trunk: Trunk;
  etag: string | undefined;
  readOnly: boolean;
  /** The trunk as it is now. */
  onSaved: (trunk: Trunk, etag: string | undefined) => void;
  reload: () => void;
}

export function TrunkScreen({ name, tab = 'general' }: { name: string; tab: string | undefined }) {
  const loaded = useLoad(`trunk ${name}`, (signal) => request<Trunk>('GET', path('trunks', name), { signal }), { everyMs: EVERY_MS });
  const trunk = loaded.value?.body;
  if (!trunk) {
    return (
      <>
        <Head title={name} up="#/trunks" upName="Trunks" />
        {loaded.problem?.status === 404 ? (
          <Empty icon="trunk" title={`There is no trunk “${name}”`}>
            <p>It may have been removed. <a href="#/trunks">All trunks</a></p>
          </Empty>
        ) : (
          <Freshness of={loaded} what="The trunk" />
        )}
      </>
    );
  }
  const isInFile = trunk.origin === 'file';
  const props: TabProps = {
    trunk,
    etag: loaded.value?.etag,
    readOnly: isInFile || !may('admin'),
    onSaved: (body, etag) => loaded.set({ body, etag, location: undefined }),
    reload: loaded.reload,
  };
  const why = refusal('admin');
  return (
    <>
      <Head
        title={<span class="clip">{trunk.name}</span>}
        up="#/trunks"
        upName="Trunks"
        about={
          <span class="badges">
            <SecurityBadge security={ofMode(trunk.secure)} />
            {isInFile && <Badge>from the file</Badge>}
            <a href={`#/calls?trunk=${encodeURIComponent(trunk.name)}`}>{trunk.state?.calls ?? 0} live calls</a>
          </span>
        }
      >
        <Button icon="trash" needs="admin" blocked={isInFile ? 'It stands in trunkline.toml: remove it there.' : undefined} onClick={() => void remove(trunk, props.etag)}>
          Remove
        </Button>
      </Head>
      <Freshness of={loaded} what="The trunk" />
      {trunk.problem && (
        <Notice tone="bad" title="Not in effect">
          {trunk.problem}
        </Notice>
      )}
      {isInFile && <InFile what="trunk" />}
      {!isInFile && why && <Notice title="Read-only">{why}</Notice>}
      <Tabs tabs={TABS} now={tab} to={(id) => link('trunks', name, id)} label="Settings of the trunk" />
      <div class="tab-body" key={tab}>
        {tab === 'termination' ? (
          <Termination {...props} />
        ) : tab === 'origination' ? (
          <Origination {...props} />
        ) : tab === 'registration' ? (
          <Registration {...props} />
        ) : (
          <General {...props} />
        )}
      </div>
    </>
  );
}

async function remove(trunk: Trunk, etag: string | undefined): Promise<void> {
  const calls = trunk.state?.calls ?? 0;
  const sure = await ask({
    title: `Remove trunk ${trunk.name}?`,
    text: `Calls to and from it are refused from now on.${calls > 0 ? ` Its ${calls} live calls go on until they end.` : ''} A trunk that routes or accounts still name cannot be removed.`,
    action: 'Remove trunk',
    danger: true,
  });
  if (!sure) return;
  try {
    await request('DELETE', path('trunks', trunk.name), { etag: etag ?? '*' });
    say(`Trunk ${trunk.name} is gone.`);
    go('#/trunks');
  } catch (error) {
    sayProblem(error);
  }
}
