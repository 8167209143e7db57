// One side of a call in a table: who, and below it by which trunk.

import { party } from '../../core/format';

export function Party({ uri, trunk, to }: { uri: string; trunk: string | null | undefined; to?: string }) {
  return (
    <span class="party">
      {to ? (
        <a class="clip" href={to} title={uri}>
          {party(uri)}
        </a>
      ) : (
        <span class="clip" title={uri}>
          {party(uri)}
        </span>
      )}
      <small class="clip muted" title={trunk ?? undefined}>
        {trunk ?? '–'}
      </small>
    </span>
  );
}
