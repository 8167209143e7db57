// Import and export: the configuration as TOML, with the differences before they are applied.

import { useState } from 'preact/hooks';
import { type Problem, address, asProblem, query, request } from '../core/api';
import { oneLine } from '../core/format';
import { may, refusal } from '../core/session';
import type { Diff } from '../core/types';
import { Badge, Button, Head, Notice, Panel, type Tone } from '../ui/basic';
import { ask } from '../ui/dialog';
import { Segments, SwitchField } from '../ui/field';
import { say } from '../ui/toast';

type Mode = 'merge' | 'replace';

export function Configuration() {
  return (
    <>
      <Head title="Import and export" about="Trunks, routes and accounts as TOML: the same sections as in trunkline.toml." />
      <div class="two">
        <Export />
        <Import />
      </div>
    </>
  );
}

function Export() {
  const [withSecrets, setSecrets] = useState(false);
  const where = address(`export${query({ format: 'toml', secrets: withSecrets || undefined })}`);
  return (
    <Panel title="Export" about="What is in force now, of the file and of the store.">
      <SwitchField label="With passwords" value={withSecrets} readOnly={!may('admin')} onChange={setSecrets} help={refusal('admin') ?? 'Keep such a file like a password.'} />
      <p class="form-actions">
        <a class="button primary" href={where.href} download="trunkline-export.toml">
          <span>Download TOML</span>
        </a>
      </p>
    </Panel>
  );
}

const MODES: { value: Mode; label: string; what: string }[] = [
  { value: 'merge', label: 'Merge', what: 'What the text names is added or changed; everything else stays.' },
  { value: 'replace', label: 'Replace', what: 'The store has what the text has afterwards, and nothing else.' },
];

function Import() {
  const [toml, setToml] = useState('');
  const [mode, setMode] = useState<Mode>('merge');
  const [diff, setDiff] = useState<Diff | undefined>();
  const [problem, setProblem] = useState<Problem | undefined>();
  const [isBusy, setBusy] = useState(false);
  const why = refusal('admin');
  const run = async (apply: boolean) => {
    setBusy(true);
    setProblem(undefined);
    try {
      const { body } = await request<Diff>('POST', 'import', { body: { toml, mode, apply } });
      setDiff(apply ? undefined : body);
      if (apply) {
        say(`Imported: ${body.changes.length} changes.`);
        setToml('');
      }
    } catch (error) {
      setProblem(asProblem(error));
    } finally {
      setBusy(false);
    }
  };
  const apply = async () => {
    const removed = diff?.changes.filter((change) => change.change === 'remove').length ?? 0;
    const text = `${diff?.changes.length} changes are applied at once, or none.${removed > 0 ? ` ${removed} objects are removed.` : ''} Live calls go on.`;
    if (await ask({ title: 'Apply the import?', text, action: 'Apply', danger: removed > 0 })) await run(true);
  };
  const changed = (next: string) => {
    setToml(next);
    setDiff(undefined);
    setProblem(undefined);
  };
  return (
    <Panel title="Import" about="Nothing changes until you have seen the differences and apply them.">
      <div class="field">
        <Segments label="How" value={mode} onChange={(next) => { setMode(next); setDiff(undefined); }} choices={MODES} />
        <p class="field-help">{MODES.find((one) => one.value === mode)?.what}</p>
      </div>
      <div class={`field ${problem ? 'wrong' : ''}`}>
        <label class="label" for="import-text">TOML</label>
        <textarea id="import-text" class="mono" rows={10} spellcheck={false} value={toml} placeholder={'[[trunks]]\nname = "carrier"\n…'} onInput={(event) => changed(event.currentTarget.value)} />
        {problem && (
          <p class="field-problem">
            {problem.field && <code>{problem.field}: </code>}
            {problem.sentence}
          </p>
        )}
      </div>
      <div class="form-actions">
        <label class="button plain">
          <input class="sr" type="file" accept=".toml,text/plain" onChange={(event) => void readFile(event.currentTarget, changed)} />
          <span>Choose a file</span>
        </label>
        <Button kind={diff ? 'plain' : 'primary'} needs="admin" busy={isBusy} blocked={toml.trim() ? undefined : 'Paste TOML or choose a file first.'} onClick={() => void run(false)}>
          Show differences
        </Button>
      </div>
      {why && <Notice title="Read-only">{why}</Notice>}
      {diff && <Differences diff={diff} />}
      {diff && diff.changes.length > 0 && (
        <div class="form-actions">
          <Button kind="primary" needs="admin" busy={isBusy} onClick={() => void apply()}>
            Apply {diff.changes.length} {diff.changes.length === 1 ? 'change' : 'changes'}
          </Button>
        </div>
      )}
    </Panel>
  );
}

async function readFile(input: HTMLInputElement, onText: (text: string) => void): Promise<void> {
  const file = input.files?.[0];
  if (file) onText(await file.text());
  input.value = '';
}

const TONES: Record<string, Tone> = { add: 'good', update: 'info', remove: 'bad', move: 'neutral' };

function Differences({ diff }: { diff: Diff }) {
  if (diff.changes.length === 0) return <Notice tone="good" title="No differences">Everything in the text is in force already.</Notice>;
  return (
    <ul class="diff">
      {diff.changes.map((change) => (
        <li key={`${change.kind} ${change.name}`}>
          <Badge tone={TONES[change.change] ?? 'neutral'}>{change.change}</Badge> {change.kind} <strong class="break">{change.name}</strong>
          {(change.fields?.length ?? 0) > 0 && (
            <dl class="values">
              {change.fields?.map((field) => (
                <div key={field.field}>
                  <dt class="mono">{field.field}</dt>
                  <dd class="mono break">
                    {change.change !== 'add' && field.old !== undefined && field.old !== null && <del>{oneLine(field.old)}</del>} {field.new !== undefined && field.new !== null && <ins>{oneLine(field.new)}</ins>}
                  </dd>
                </div>
              ))}
            </dl>
          )}
        </li>
      ))}
    </ul>
  );
}
