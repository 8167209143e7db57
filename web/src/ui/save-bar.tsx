// The end of a form: save, or take everything back. It appears with the first change.

import { useEffect } from 'preact/hooks';
import type { Edit } from './edit';
import type { Settings } from '../core/types';
import { Button, Notice } from './basic';
import { ConflictDialog } from './conflict';

export function SaveBar<T extends Settings>({ edit, shownFields }: { edit: Edit<T>; shownFields: readonly string[] }) {
  const { problem, isDirty, isSaving } = edit;
  const isElsewhere = problem && !(problem.field && isShown(problem.field, shownFields));

  // The first field that is wrong is where one goes on.
  useEffect(() => {
    if (!problem?.field) return;
    const wrong = document.querySelector<HTMLElement>(`[data-field="${CSS.escape(problem.field)}"]`);
    const control = wrong?.matches('input, select') ? wrong : wrong?.querySelector<HTMLElement>('input, select, button');
    control?.focus();
    wrong?.scrollIntoView({ block: 'center' });
  }, [problem]);

  return (
    <>
      {isElsewhere && (
        <Notice tone="bad" title={problem.field ? `Not saved: ${problem.field}` : 'Not saved'}>
          {problem.sentence}
        </Notice>
      )}
      {isDirty && (
        <div class="save-bar" role="region" aria-label="Unsaved changes">
          <span>Unsaved changes</span>
          <Button onClick={edit.revert}>Discard</Button>
          <Button kind="primary" busy={isSaving} onClick={() => void edit.save()}>
            {isSaving ? 'Saving …' : 'Save'}
          </Button>
        </div>
      )}
      {edit.conflict && <ConflictDialog conflict={edit.conflict} onSettle={edit.settle} />}
    </>
  );
}

/** `acl[0]` is shown by the list `acl`. */
function isShown(field: string, shown: readonly string[]): boolean {
  return shown.includes(field) || shown.includes(field.replace(/\[\d+\]$/, ''));
}
