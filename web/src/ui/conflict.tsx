// Somebody else has saved the same object meanwhile (412): theirs beside mine, and a choice for each.

import { useState } from 'preact/hooks';
import type { Conflict } from './edit';
import { oneLine } from '../core/format';
import type { Difference } from '../core/patch';
import type { Settings } from '../core/types';
import { Button } from './basic';
import { Dialog } from './dialog';

interface ConflictProps {
  conflict: Conflict<Settings>;
  onSettle: (chosen: Settings) => void;
}

export function ConflictDialog({ conflict, onSettle }: ConflictProps) {
  const { differences } = conflict;
  const [mine, setMine] = useState(() => new Set(differences.filter((one) => one.whose === 'mine').map((one) => one.field)));
  const choose = (field: string, isMine: boolean) => {
    const next = new Set(mine);
    if (isMine) next.add(field);
    else next.delete(field);
    setMine(next);
  };
  const settle = (fields: Set<string>) => {
    const kept = differences.filter((one) => fields.has(one.field));
    onSettle(Object.fromEntries(kept.map((one) => [one.field, one.mine])));
  };
  return (
    <Dialog
      wide
      title="Somebody else changed this"
      onClose={() => settle(new Set())}
      onSubmit={() => settle(mine)}
      actions={
        <>
          <Button onClick={() => settle(new Set())}>Take all of theirs</Button>
          <Button type="submit" kind="primary">
            Go on with what is chosen
          </Button>
        </>
      }
    >
      <p>
        It was saved by somebody else while you were editing, so yours was not. Choose what is to be kept; then look at it once more and save.
      </p>
      <div class="scroll">
        <table class="table conflict">
          <thead>
            <tr>
              <th scope="col">Setting</th>
              <th scope="col">Yours</th>
              <th scope="col">Theirs, saved</th>
            </tr>
          </thead>
          <tbody>
            {differences.map((one) => (
              <Row key={one.field} one={one} isMine={mine.has(one.field)} onChoose={choose} />
            ))}
          </tbody>
        </table>
      </div>
    </Dialog>
  );
}

const WHOSE: Record<Difference['whose'], string> = { both: 'both changed it', mine: 'you changed it', theirs: 'they changed it' };

function Row({ one, isMine, onChoose }: { one: Difference; isMine: boolean; onChoose: (field: string, isMine: boolean) => void }) {
  return (
    <tr>
      <th scope="row">
        <code>{one.field}</code>
        <small>{WHOSE[one.whose]}</small>
      </th>
      {([true, false] as const).map((side) => (
        <td key={String(side)}>
          <label>
            <input type="radio" name={`conflict-${one.field}`} checked={isMine === side} onChange={() => onChoose(one.field, side)} />
            <span class="mono">{oneLine(side ? one.mine : one.theirs)}</span>
          </label>
        </td>
      ))}
    </tr>
  );
}
