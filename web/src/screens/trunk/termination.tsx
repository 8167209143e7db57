// Trunk → Termination: who may send calls to us.

import { useState } from 'preact/hooks';
import { path } from '../../core/api';
import { useEdit } from '../../ui/edit';
import { heads } from '../../core/patch';
import { AUTHENTICATION, TERMINATION, names } from '../../core/settings';
import type { Credential } from '../../core/types';
import { Button, Notice, Panel } from '../../ui/basic';
import { Dialog } from '../../ui/dialog';
import { TextField } from '../../ui/field';
import { SaveBar } from '../../ui/save-bar';
import { SettingField, SettingsGroup } from '../../ui/settings-form';
import type { TabProps } from './index';

const SHOWN = ['credentials', ...names([...TERMINATION, AUTHENTICATION])];
const FIELDS = heads(SHOWN);

export function Termination({ trunk, etag, readOnly, onSaved }: TabProps) {
  const edit = useEdit({ path: path('trunks', trunk.name), value: trunk, etag }, FIELDS, onSaved);
  const { draft, change, problemAt } = edit;
  const credentials = draft.credentials ?? [];
  const isOpen = credentials.length === 0 && (draft.acl ?? []).length === 0 && (draft.domains ?? []).length === 0;
  const form = { settings: draft, onChange: (settings: object) => change(settings as typeof draft), problemAt, readOnly };
  return (
    <>
      {isOpen && (
        <Notice title="Nobody can call over this trunk yet">
          Allow the peer’s addresses, or give it credentials. A trunk that only takes our calls needs neither.
        </Notice>
      )}
      {TERMINATION.slice(0, 2).map((group) => (
        <SettingsGroup key={group.title} group={group} {...form} />
      ))}
      <Credentials credentials={credentials} readOnly={readOnly} problem={problemFor(edit.problem?.field, edit.problem?.sentence)} onChange={(next) => change({ ...draft, credentials: next })}>
        {credentials.length > 0 && (
          <div class="fields">
            {AUTHENTICATION.fields.map((field) => (
              <SettingField key={field.name} field={field} {...form} />
            ))}
          </div>
        )}
      </Credentials>
      {TERMINATION.slice(2).map((group) => (
        <SettingsGroup key={group.title} group={group} {...form} />
      ))}
      <SaveBar edit={edit} shownFields={SHOWN} />
    </>
  );
}

/** Credentials are rows: `credentials[1].password` is said below them. */
function problemFor(field: string | undefined, sentence: string | undefined): string | undefined {
  return field?.startsWith('credentials') ? `${field}: ${sentence}` : undefined;
}

interface CredentialsProps {
  credentials: Credential[];
  readOnly: boolean;
  problem: string | undefined;
  onChange: (credentials: Credential[]) => void;
  children: preact.ComponentChildren;
}

function Credentials({ credentials, readOnly, problem, onChange, children }: CredentialsProps) {
  const [edited, setEdited] = useState<number | 'new' | undefined>();
  const put = (credential: Credential) => {
    onChange(edited === 'new' ? [...credentials, credential] : credentials.map((other, index) => (index === edited ? credential : other)));
    setEdited(undefined);
  };
  return (
    <Panel
      title="Credentials"
      about="Calls must authenticate (digest) as one of these users. Passwords are kept, never shown."
      actions={
        !readOnly && (
          <Button icon="plus" onClick={() => setEdited('new')}>
            Add credentials
          </Button>
        )
      }
    >
      {credentials.length === 0 ? (
        <p class="muted">None: addresses alone decide.</p>
      ) : (
        <ul class="rows" data-field="credentials">
          {credentials.map((credential, index) => (
            <li key={credential.user}>
              <span class="mono clip">{credential.user}</span>
              <span class="muted">{credential.password ? 'new password, not saved yet' : 'password set'}</span>
              {!readOnly && (
                <span class="row-actions">
                  <Button kind="quiet" icon="edit" label={`Change the password of ${credential.user}`} onClick={() => setEdited(index)} />
                  <Button kind="quiet" icon="trash" label={`Remove ${credential.user}`} onClick={() => onChange(credentials.filter((_, place) => place !== index))} />
                </span>
              )}
            </li>
          ))}
        </ul>
      )}
      {problem && <p class="field-problem">{problem}</p>}
      {children}
      {edited !== undefined && (
        <CredentialDialog
          credential={edited === 'new' ? undefined : credentials[edited]}
          taken={credentials.map((credential) => credential.user)}
          onClose={() => setEdited(undefined)}
          onPut={put}
        />
      )}
    </Panel>
  );
}

interface DialogProps {
  credential: Credential | undefined;
  taken: string[];
  onClose: () => void;
  onPut: (credential: Credential) => void;
}

function CredentialDialog({ credential, taken, onClose, onPut }: DialogProps) {
  const [user, setUser] = useState(credential?.user ?? '');
  const [password, setPassword] = useState('');
  const [tried, setTried] = useState(false);
  const userProblem = user.trim() === '' ? 'A user name is needed.' : !credential && taken.includes(user.trim()) ? 'This user is there already.' : undefined;
  const passwordProblem = password === '' ? 'A password is needed.' : undefined;
  const submit = () => {
    setTried(true);
    if (!userProblem && !passwordProblem) onPut({ user: user.trim(), password });
  };
  return (
    <Dialog
      title={credential ? `Password of ${credential.user}` : 'Add credentials'}
      onClose={onClose}
      onSubmit={submit}
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" kind="primary">
            {credential ? 'Change' : 'Add'}
          </Button>
        </>
      }
    >
      {!credential && <TextField label="User" mono value={user} onInput={setUser} autoFocus problem={tried ? userProblem : undefined} />}
      <TextField label="Password" kind="password" autocomplete="new-password" value={password} onInput={setPassword} autoFocus={credential !== undefined} problem={tried ? passwordProblem : undefined} />
    </Dialog>
  );
}
