// Pages by cursor: onward, back along the way that one came, and to the newest.

import { useRef } from 'preact/hooks';
import { Button } from './basic';

interface PagerProps {
  /** The cursor of this page; undefined on the first. */
  after: string | undefined;
  next: string | null | undefined;
  onGo: (cursor: string | undefined) => void;
  newest: string;
  older: string;
}

export function Pager({ after, next, onGo, newest, older }: PagerProps) {
  const way = useRef<(string | undefined)[]>([]);
  if (!after && !next) return null;
  const onward = () => {
    way.current.push(after);
    onGo(next ?? undefined);
  };
  return (
    <nav class="pager" aria-label="Pages">
      {after && <Button icon="back" onClick={() => onGo(way.current.pop())}>Back</Button>}
      {after && way.current.length > 1 && (
        <Button
          onClick={() => {
            way.current = [];
            onGo(undefined);
          }}
        >
          {newest}
        </Button>
      )}
      {next && <Button icon="next" onClick={onward}>{older}</Button>}
    </nav>
  );
}
