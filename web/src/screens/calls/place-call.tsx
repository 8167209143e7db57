// Click-to-dial: one side is rung first, then connected to the other (RFC 3725).

import { useRef, useState } from 'preact/hooks';
import { type Problem, asProblem, freshKey, request } from '../../core/api';
import { go, link } from '../../core/route';
import type { Trunk } from '../../core/types';
import { Button, Notice } from '../../ui/basic';
import { Dialog } from '../../ui/dialog';
import { ChoiceField, TextField } from '../../ui/field';
import { say } from '../../ui/toast';

export function PlaceCall({ trunks, onClose }: { trunks: Trunk[]; onClose: () => void }) {
  const [values, setValues] = useState<Record<string, string | undefined>>({});
  const [problem, setProblem] = useState<Problem | undefined>();
  // Pressing twice places one call.
  const key = useRef(freshKey());
  const set = (name: string) => (value: string | undefined) => {
    setValues({ ...values, [name]: value });
    key.current = freshKey();
  };
  const submit = async () => {
    setProblem(undefined);
    const body = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, value?.trim()]).filter(([, value]) => value));
    try {
      const answer = await request<{ call: number }>('POST', 'calls', { body, idempotencyKey: key.current });
      say(`${body['first']} is being rung.`);
      onClose();
      go(link('calls', answer.body.call));
    } catch (error) {
      setProblem(asProblem(error));
    }
  };
  const field = problem?.slug === 'bad_target' && !problem.field ? 'first' : problem?.field;
  const at = (name: string) => (field === name ? problem?.sentence : undefined);
  const isElsewhere = problem && !['first', 'to', 'from', 'trunk'].includes(field ?? '');
  return (
    <Dialog
      title="Place a call"
      onClose={onClose}
      onSubmit={() => void submit()}
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" kind="primary" icon="phone">
            Call
          </Button>
        </>
      }
    >
      {isElsewhere && <Notice tone="bad">{problem.sentence}</Notice>}
      <TextField label="Ring first" name="first" mono value={values['first'] ?? ''} onInput={set('first')} problem={at('first')} autoFocus placeholder="alice@acme.sip.example.com or a number" help="An account or a number. When it answers, the other is called." />
      <TextField label="Then call" name="to" mono value={values['to'] ?? ''} onInput={set('to')} problem={at('to')} placeholder="+43123456" />
      <TextField label="Shown as caller" name="from" mono value={values['from'] ?? ''} onInput={set('from')} problem={at('from')} placeholder="whoever is rung first" />
      <ChoiceField label="Routed as if from trunk" name="trunk" value={values['trunk']} choices={trunks.map((trunk) => ({ value: trunk.name, label: trunk.name }))} none="the account’s" problem={at('trunk')} onChange={set('trunk')} />
    </Dialog>
  );
}
