// What the keyboard does.

import { PLACES, helpOpen } from '../core/shortcuts';
import { Dialog } from './dialog';

const KEYS: [keys: string[], what: string][] = [
  [['/'], 'Search on this page'],
  [['Esc'], 'Close a dialog; from one object back to its list'],
  [['?'], 'This list'],
  [['Alt', '↑'], 'Move a route or target up; with ↓ down'],
  [['↑', '↓'], 'In a SIP ladder: the message before, the next one'],
];

export function ShortcutHelp() {
  if (!helpOpen.value) return null;
  return (
    <Dialog title="Keyboard" onClose={() => (helpOpen.value = false)}>
      <dl class="keys">
        {KEYS.map(([keys, what]) => (
          <Key key={what} keys={keys} what={what} />
        ))}
        {PLACES.map((place) => (
          <Key key={place.key} keys={['g', place.key]} what={place.name} />
        ))}
      </dl>
    </Dialog>
  );
}

function Key({ keys, what }: { keys: string[]; what: string }) {
  return (
    <div>
      <dt>
        {keys.map((key) => (
          <kbd key={key}>{key}</kbd>
        ))}
      </dt>
      <dd>{what}</dd>
    </div>
  );
}
