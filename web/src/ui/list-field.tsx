// A list of texts, one in each row: domains, networks, codecs.

import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { whenUnset } from '../core/settings';
import { Button } from './basic';

interface ListProps {
  label: string;
  name: string;
  value: string[];
  onChange: (value: string[]) => void;
  placeholder?: string | undefined;
  unset?: string | undefined;
  help?: string | undefined;
  readOnly?: boolean | undefined;
  /** The problem with one of them (`acl[1]`), or with all (`acl`). */
  problemAt: (name: string) => string | undefined;
}

/** What is pasted may be many at once: by lines, commas or spaces. */
export function pieces(text: string): string[] {
  return text.split(/[\s,;]+/).filter(Boolean);
}

export function ListField(props: ListProps) {
  const { value, onChange, name } = props;
  const id = useId();
  const list = useRef<HTMLDivElement>(null);
  const [focusAt, setFocusAt] = useState<number | undefined>(undefined);
  useEffect(() => {
    if (focusAt === undefined) return;
    list.current?.querySelectorAll('input')[focusAt]?.focus();
    setFocusAt(undefined);
  }, [focusAt]);

  const replace = (index: number, texts: string[]) => onChange([...value.slice(0, index), ...texts, ...value.slice(index + 1)]);
  const add = (index: number) => {
    onChange([...value.slice(0, index), '', ...value.slice(index)]);
    setFocusAt(index);
  };
  const remove = (index: number) => {
    replace(index, []);
    setFocusAt(Math.max(0, index - 1));
  };
  const pressed = (event: KeyboardEvent, index: number) => {
    if (event.key === 'Enter') {
      event.preventDefault();
      if (value[index] !== '') add(index + 1);
    } else if (event.key === 'Backspace' && value[index] === '') {
      event.preventDefault();
      remove(index);
    }
  };
  const pasted = (event: ClipboardEvent, index: number) => {
    const texts = pieces(event.clipboardData?.getData('text') ?? '');
    if (texts.length < 2) return;
    event.preventDefault();
    replace(index, [...(value[index] ? [value[index]] : []), ...texts]);
  };

  const whole = props.problemAt(name);
  return (
    <div class={`field list ${whole ? 'wrong' : ''}`} role="group" aria-labelledby={id} ref={list} data-field={name}>
      <span class="label" id={id}>{props.label}</span>
      {value.length === 0 && props.unset && <p class="list-unset">{whenUnset(props.unset)}</p>}
      {value.map((text, index) => {
        const problem = props.problemAt(`${name}[${index}]`);
        return (
          <div class={`list-row ${problem ? 'wrong' : ''}`} key={index}>
            <input
              class="mono"
              value={text}
              placeholder={props.placeholder}
              readOnly={props.readOnly}
              spellcheck={false}
              autocomplete="off"
              aria-label={`${props.label} ${index + 1}`}
              aria-invalid={problem ? true : undefined}
              data-field={`${name}[${index}]`}
              onInput={(event) => replace(index, [event.currentTarget.value])}
              onKeyDown={(event) => pressed(event, index)}
              onPaste={(event) => pasted(event, index)}
            />
            {!props.readOnly && <Button kind="quiet" icon="close" label={`Remove ${text || 'empty row'}`} onClick={() => remove(index)} />}
            {problem && <p class="field-problem">{problem}</p>}
          </div>
        );
      })}
      {!props.readOnly && (
        <Button kind="quiet" icon="plus" onClick={() => add(value.length)}>
          Add
        </Button>
      )}
      {whole && <p class="field-problem">{whole}</p>}
      {props.help && <p class="field-help">{props.help}</p>}
    </div>
  );
}
