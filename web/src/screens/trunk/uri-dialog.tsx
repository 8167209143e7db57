// One origination URI, added or changed.

import { useState } from 'preact/hooks';
import { type Problem, asProblem } from '../../core/api';
import type { Origination, Trunk } from '../../core/types';
import { Button, Notice } from '../../ui/basic';
import { Dialog } from '../../ui/dialog';
import { SwitchField, TextField } from '../../ui/field';

interface UriDialogProps {
  trunk: Trunk;
  /** Without it a new one. */
  uri: Origination | undefined;
  /** Its place in the list, by which problems name it. */
  at: number;
  onClose: () => void;
  onPut: (uri: Origination) => Promise<void>;
}

export function UriDialog({ trunk, uri, at, onClose, onPut }: UriDialogProps) {
  const [text, setText] = useState(uri?.uri ?? '');
  const [priority, setPriority] = useState(String(uri?.priority ?? 0));
  const [weight, setWeight] = useState(String(uri?.weight ?? 1));
  const [enabled, setEnabled] = useState(uri?.enabled !== false);
  const [problem, setProblem] = useState<Problem | undefined>();
  const [isBusy, setBusy] = useState(false);
  const submit = async () => {
    setBusy(true);
    setProblem(undefined);
    try {
      await onPut({ uri: withScheme(text.trim()), priority: number(priority) as number, weight: number(weight) as number, enabled });
    } catch (error) {
      setProblem(asProblem(error));
      setBusy(false);
    }
  };
  // As one of the list, or by itself.
  const field = problem?.field?.replace(`origination[${at}].`, '').replace(/^destination$/, 'uri');
  const isHere = field !== undefined && ['uri', 'priority', 'weight'].includes(field);
  const said = (name: string) => (field === name ? problem?.sentence : undefined);
  const isSecure = trunk.secure === 'tls' || trunk.secure === 'srtp';
  return (
    <Dialog
      title={uri ? 'Change origination URI' : 'Add origination URI'}
      onClose={onClose}
      onSubmit={() => void submit()}
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" kind="primary" busy={isBusy}>
            {uri ? 'Change' : 'Add'}
          </Button>
        </>
      }
    >
      {problem && !isHere && (
        <Notice tone="bad" title={problem.slug === 'stale' ? 'Somebody else changed this trunk' : problem.field ?? ''}>
          {problem.slug === 'stale' ? 'What is there now will be shown when you close this; then add it again.' : problem.sentence}
        </Notice>
      )}
      <TextField
        label="SIP URI"
        name="uri"
        mono
        value={text}
        onInput={setText}
        problem={said('uri')}
        autoFocus
        required
        placeholder="sip:sbc1.carrier.example"
        help={isSecure ? 'TLS is used whatever the URI says; without a port it is 5061, or as SRV records say.' : 'Add ;transport=tcp to choose; without a port it is 5060, or as SRV records say.'}
      />
      <div class="side-by-side">
        <TextField label="Priority" name="priority" kind="number" value={priority} onInput={setPriority} problem={said('priority')} help="0 to 65535; the lowest first." />
        <TextField label="Weight" name="weight" kind="number" value={weight} onInput={setWeight} problem={said('weight')} help="1 to 65535; its share among equals." />
      </div>
      <SwitchField label="Enabled" value={enabled} onChange={setEnabled} />
    </Dialog>
  );
}

/** People type host names. */
function withScheme(text: string): string {
  return text === '' || /^sips?:/i.test(text) ? text : `sip:${text}`;
}

/** What is no number goes to the daemon as it is, which says what it expects. */
function number(text: string): unknown {
  return /^\d{1,9}$/.test(text.trim()) ? Number(text) : text;
}
