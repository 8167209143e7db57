// Dialogs. `<dialog>` keeps the focus inside, gives it back, and closes on Escape by itself.

import { signal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef } from 'preact/hooks';
import { Button } from './basic';

interface DialogProps {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
  /** Buttons at the end. */
  actions?: ComponentChildren;
  wide?: boolean;
  /** Enter and the primary button do this. */
  onSubmit?: () => void;
}

export function Dialog({ title, onClose, children, actions, wide, onSubmit }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = element.current;
    if (!dialog) return;
    const before = document.activeElement;
    if (!dialog.open) dialog.showModal();
    // Where nothing else is to be filled in, the harmless button has the focus.
    if (!dialog.querySelector('[autofocus]')) dialog.querySelector<HTMLElement>('.dialog-actions button')?.focus();
    return () => {
      dialog.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  const submitted = (event: Event) => {
    event.preventDefault();
    onSubmit?.();
  };
  return (
    <dialog
      ref={element}
      class={wide ? 'wide' : ''}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
    >
      <form onSubmit={submitted} noValidate>
        <div class="dialog-head">
          <h2 id={id}>{title}</h2>
          <Button kind="quiet" icon="close" label="Close" onClick={onClose} />
        </div>
        <div class="dialog-body">{children}</div>
        {actions && <div class="dialog-actions">{actions}</div>}
      </form>
    </dialog>
  );
}

export interface Question {
  title: string;
  text: ComponentChildren;
  /** What the button says that does it. */
  action: string;
  danger?: boolean;
  /** What the other button says. */
  otherwise?: string;
}

const asked = signal<(Question & { answer: (yes: boolean) => void }) | undefined>(undefined);

/** Asks before something that cannot be taken back. */
export function ask(question: Question): Promise<boolean> {
  asked.value?.answer(false);
  return new Promise((resolve) => {
    const answer = (yes: boolean) => {
      asked.value = undefined;
      resolve(yes);
    };
    asked.value = { ...question, answer };
  });
}

/** Where questions appear; once on the page. */
export function Questions() {
  const question = asked.value;
  if (!question) return null;
  const { answer } = question;
  return (
    <Dialog
      title={question.title}
      onClose={() => answer(false)}
      onSubmit={() => answer(true)}
      actions={
        <>
          <Button onClick={() => answer(false)}>{question.otherwise ?? 'Cancel'}</Button>
          <Button type="submit" kind={question.danger ? 'danger' : 'primary'}>
            {question.action}
          </Button>
        </>
      }
    >
      <div class="question">{question.text}</div>
    </Dialog>
  );
}
