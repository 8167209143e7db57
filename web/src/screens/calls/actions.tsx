// What can be done with a call that is up (OPS-3): hang up, hold, transfer.

import { useRef, useState } from 'preact/hooks';
import { type Problem, asProblem, freshKey, path, request } from '../../core/api';
import { party } from '../../core/format';
import { isHeld } from '../../core/live';
import type { Call, Side } from '../../core/types';
import { Button, Notice } from '../../ui/basic';
import { Dialog, ask } from '../../ui/dialog';
import { Segments, TextField } from '../../ui/field';
import { say, sayProblem } from '../../ui/toast';

export function Actions({ call, reload }: { call: Call; reload: () => void }) {
  const [isTransferring, setTransferring] = useState(false);
  const held = isHeld(call);
  const isUp = call.state === undefined ? Boolean(call.answer ?? call.answered_ms) : ['answered', 'held'].includes(call.state);
  const early = isUp ? undefined : 'The call is not answered yet.';
  const act = async (what: string, body: object | undefined, done: string) => {
    try {
      await request('POST', `${path('calls', call.call)}/${what}`, { body, idempotencyKey: freshKey() });
      say(done);
    } catch (error) {
      sayProblem(error);
    }
    reload();
  };
  const hangUp = async () => {
    const sure = await ask({ title: 'Hang up this call?', text: `Both sides, ${party(call.from)} and ${party(call.to)}, are cut off at once.`, action: 'Hang up', danger: true });
    if (sure) await act('hang-up', {}, 'The call is being ended.');
  };
  const hold = async () => {
    const on = !held;
    const text = on ? 'Neither side hears the other until you resume the call.' : 'Both sides hear each other again.';
    const sure = await ask({ title: on ? 'Put this call on hold?' : 'Resume this call?', text, action: on ? 'Hold' : 'Resume' });
    if (sure) await act('hold', { on }, on ? 'The call is being put on hold.' : 'The call is being resumed.');
  };
  return (
    <>
      <Button icon={held ? 'play' : 'pause'} needs="operate" blocked={early} onClick={() => void hold()}>
        {held ? 'Resume' : 'Hold'}
      </Button>
      <Button icon="transfer" needs="operate" blocked={early} onClick={() => setTransferring(true)}>
        Transfer
      </Button>
      <Button kind="danger" icon="hangup" needs="operate" onClick={() => void hangUp()}>
        Hang up
      </Button>
      {isTransferring && <Transfer call={call} onClose={() => setTransferring(false)} onDone={reload} />}
    </>
  );
}

function Transfer({ call, onClose, onDone }: { call: Call; onClose: () => void; onDone: () => void }) {
  const [who, setWho] = useState<Side>('caller');
  const [how, setHow] = useState<'local' | 'refer'>('local');
  const [target, setTarget] = useState('');
  const [problem, setProblem] = useState<Problem | undefined>();
  const key = useRef(freshKey());
  const moved = party(who === 'caller' ? call.from : call.to);
  const submit = async () => {
    setProblem(undefined);
    if (!target.trim()) return;
    try {
      await request('POST', `${path('calls', call.call)}/transfer`, { body: { who, target: target.trim(), how }, idempotencyKey: key.current });
      say(`${moved} is being transferred to ${target.trim()}.`);
      onClose();
      onDone();
    } catch (error) {
      setProblem(asProblem(error));
      key.current = freshKey();
    }
  };
  const isTarget = problem?.field === 'target' || problem?.slug === 'bad_target';
  return (
    <Dialog
      title="Transfer"
      onClose={onClose}
      onSubmit={() => void submit()}
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" kind="primary" icon="transfer" disabled={!target.trim()}>
            Transfer {moved}
          </Button>
        </>
      }
    >
      {problem && !isTarget && <Notice tone="bad">{problem.sentence}</Notice>}
      <div class="field">
        <span class="label">Who is moved</span>
        <Segments
          label="Who is moved"
          value={who}
          onChange={setWho}
          choices={[
            { value: 'caller', label: `Caller ${party(call.from)}` },
            { value: 'callee', label: `Callee ${party(call.to)}` },
          ]}
        />
        <p class="field-help">The other side is let go.</p>
      </div>
      <TextField label="To" name="target" mono value={target} onInput={setTarget} problem={isTarget ? problem?.sentence : undefined} autoFocus placeholder="+43123456 or sip:alice@acme.example.com" />
      <div class="field">
        <span class="label">How</span>
        <Segments
          label="How"
          value={how}
          onChange={setHow}
          choices={[
            { value: 'local', label: 'Made here' },
            { value: 'refer', label: 'By REFER' },
          ]}
        />
        <p class="field-help">{how === 'local' ? 'Trunkline calls the target and connects both: works with every peer.' : 'The peer is asked to call the target itself (RFC 3515).'}</p>
      </div>
    </Dialog>
  );
}
