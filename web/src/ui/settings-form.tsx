// Settings that are described (core/settings.ts), as fields.

import { type Field, type Group, shown } from '../core/settings';
import { valueAt, withValue } from '../core/patch';
import type { Settings } from '../core/types';
import { Panel } from './basic';
import { ChecksField, ChoiceField, SwitchField, TextField } from './field';
import { ListField } from './list-field';

interface FormProps {
  settings: Settings;
  onChange: (settings: Settings) => void;
  problemAt: (name: string) => string | undefined;
  readOnly: boolean;
}

export function SettingsGroup({ group, ...form }: FormProps & { group: Group }) {
  const fields = shown(group, form.settings);
  if (fields.length === 0) return null;
  return (
    <Panel title={group.title} about={group.about}>
      <div class="fields">
        {fields.map((field) => (
          <SettingField key={field.name} field={field} {...form} />
        ))}
      </div>
    </Panel>
  );
}

export function SettingField({ field, settings, onChange, problemAt, readOnly }: FormProps & { field: Field }) {
  const value = valueAt(settings, field.name);
  const set = (next: unknown) => onChange(withValue(settings, field.name, next));
  const { name, label, help, unset } = field;
  const common = { name, label, unset, readOnly, problem: problemAt(name), ...(help ? { help } : {}) };
  const texts = Array.isArray(value) ? value.map(String) : [];
  switch (field.kind) {
    case 'switch':
      return <SwitchField {...common} value={value === true} onChange={(on) => set(on || undefined)} />;
    case 'choice':
      return <ChoiceField {...common} value={value as string | undefined} choices={field.choices ?? []} onChange={set} />;
    case 'checks':
      return <ChecksField {...common} value={texts} choices={field.choices ?? []} onChange={set} />;
    case 'list':
      return <ListField {...common} help={help} value={texts} placeholder={field.placeholder} problemAt={problemAt} onChange={set} />;
    case 'secret':
      return <SecretField field={field} settings={settings} common={common} onInput={set} />;
    default:
      return (
        <TextField
          {...common}
          value={value === undefined || value === null ? '' : String(value)}
          kind={field.kind === 'number' ? 'number' : 'text'}
          unit={field.unit}
          placeholder={field.placeholder}
          onInput={(text) => set(field.kind === 'number' ? numberOf(text) : text)}
        />
      );
  }
}

/** A number that is none stays as it is: the daemon says what it expects. */
function numberOf(text: string): number | string {
  const trimmed = text.trim();
  return /^\d{1,15}$/.test(trimmed) ? Number(trimmed) : trimmed;
}

interface SecretProps {
  field: Field;
  settings: Settings;
  common: { name: string; label: string; readOnly: boolean; problem: string | undefined };
  onInput: (text: string) => void;
}

/** Secrets are never shown: an empty field keeps the one that is there. */
function SecretField({ field, settings, common, onInput }: SecretProps) {
  const table = field.name.split('.').slice(0, -1).join('.');
  const isThere = valueAt(settings, table ? `${table}.has_password` : 'has_password') === true;
  const value = valueAt(settings, field.name);
  return (
    <TextField
      {...common}
      kind="password"
      autocomplete="new-password"
      value={typeof value === 'string' ? value : ''}
      placeholder={isThere ? 'Set; empty keeps it' : ''}
      onInput={onInput}
    />
  );
}
