// Trunk → General: Secure Trunking first, then everything that holds for the trunk as a whole.

import { path } from '../../core/api';
import { useEdit } from '../../ui/edit';
import { heads } from '../../core/patch';
import { MODES } from '../../core/security';
import { GENERAL, names } from '../../core/settings';
import { Notice, Panel } from '../../ui/basic';
import { Segments } from '../../ui/field';
import { SaveBar } from '../../ui/save-bar';
import { SettingsGroup } from '../../ui/settings-form';
import { HeaderRules } from './header-rules';
import type { TabProps } from './index';

const SHOWN = ['secure', 'header_rules', ...names(GENERAL)];
const FIELDS = heads(SHOWN);

export function General({ trunk, etag, readOnly, onSaved }: TabProps) {
  const edit = useEdit({ path: path('trunks', trunk.name), value: trunk, etag }, FIELDS, onSaved);
  const { draft, change, problemAt } = edit;
  const mode = MODES.find((mode) => mode.value === (draft.secure ?? 'disabled'));
  const before = trunk.secure ?? 'disabled';
  const problem = problemAt('secure');
  return (
    <>
      <Panel title="Secure Trunking" about="How calls between this peer and Trunkline are protected. It holds from the next call on; live calls do not change.">
        <div class={`field ${problem ? 'wrong' : ''}`}>
          <Segments label="Secure Trunking" name="secure" value={draft.secure ?? 'disabled'} readOnly={readOnly} choices={MODES} onChange={(secure) => change({ ...draft, secure })} />
          {problem && <p class="field-problem">{problem}</p>}
        </div>
        <div class="mode" aria-live="polite">
          <strong>{mode?.summary}</strong>
          <ul>
            {mode?.consequences.map((sentence) => (
              <li key={sentence}>{sentence}</li>
            ))}
          </ul>
        </div>
        {before !== 'disabled' && mode?.value === 'disabled' && (
          <Notice tone="warning" title="This turns encryption off">
            Calls with this peer will be readable on the way. The peer has to change to UDP or TCP as well.
          </Notice>
        )}
      </Panel>
      {GENERAL.map((group) => (
        <SettingsGroup key={group.title} group={group} settings={draft} onChange={(settings) => change(settings as typeof draft)} problemAt={problemAt} readOnly={readOnly} />
      ))}
      <HeaderRules settings={draft} onChange={(settings) => change(settings as typeof draft)} problem={edit.problem} readOnly={readOnly} />
      <SaveBar edit={edit} shownFields={SHOWN} />
    </>
  );
}
