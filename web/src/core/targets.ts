// Where a call was tried: one list of targets, or one for each party of a call that was placed.

import type { Call, TriedTarget } from './types';

export interface Tried {
  title: string;
  targets: TriedTarget[];
}

/** Of a call that was placed, the first party is tried before the second. What has none is left out. */
export function tried(call: Call): Tried[] {
  const first = call.first_party_targets ?? [];
  const second = call.targets ?? [];
  const lists =
    first.length === 0
      ? [{ title: 'Targets tried', targets: second }]
      : [
          { title: 'Targets tried for the first party', targets: first },
          { title: 'Targets tried for the second party', targets: second },
        ];
  return lists.filter((list) => list.targets.length > 0);
}
