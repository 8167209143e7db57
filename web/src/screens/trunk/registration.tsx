// Trunk → Registration: our own, with a provider (SIG-5).

import { path } from '../../core/api';
import { useEdit } from '../../ui/edit';
import { duration } from '../../core/format';
import { heads } from '../../core/patch';
import { REGISTRATION, names } from '../../core/settings';
import type { ProviderRegistration } from '../../core/types';
import { Badge, Notice, Panel } from '../../ui/basic';
import { SaveBar } from '../../ui/save-bar';
import { SettingsGroup } from '../../ui/settings-form';
import type { TabProps } from './index';

const SHOWN = names(REGISTRATION);
const FIELDS = heads(SHOWN);

export function Registration({ trunk, etag, readOnly, onSaved }: TabProps) {
  const edit = useEdit({ path: path('trunks', trunk.name), value: trunk, etag }, FIELDS, onSaved);
  const { draft, change, problemAt } = edit;
  const { registration } = trunk.state ?? {};
  const hasTarget = trunk.destination !== undefined || (trunk.origination ?? []).length > 0;
  return (
    <>
      {registration && <State registration={registration} />}
      {!hasTarget && (
        <Notice title="No registrar yet">
          The registrar is the first origination target. <a href={`#/trunks/${encodeURIComponent(trunk.name)}/origination`}>Add one first.</a>
        </Notice>
      )}
      {REGISTRATION.map((group) => (
        <SettingsGroup key={group.title} group={group} settings={draft} onChange={(settings) => change(settings as typeof draft)} problemAt={problemAt} readOnly={readOnly} />
      ))}
      <SaveBar edit={edit} shownFields={SHOWN} />
    </>
  );
}

function State({ registration }: { registration: ProviderRegistration }) {
  const { registered, expires_s, problem, aor, failures } = registration;
  return (
    <Panel title="State">
      <dl class="facts">
        <div>
          <dt>Address of record</dt>
          <dd class="mono">{aor}</dd>
        </div>
        <div>
          <dt>Now</dt>
          <dd>
            <Badge tone={registered ? 'good' : 'bad'}>{registered ? 'registered' : 'not registered'}</Badge>
          </dd>
        </div>
        {registered && (
          <div>
            <dt>Expires in</dt>
            <dd class="figure">{duration(expires_s)}</dd>
          </div>
        )}
        {failures > 0 && (
          <div>
            <dt>Failures in a row</dt>
            <dd class="figure">{failures}</dd>
          </div>
        )}
      </dl>
      {problem && <Notice tone={registered ? 'warning' : 'bad'}>{problem}</Notice>}
    </Panel>
  );
}
