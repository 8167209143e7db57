// Fields of forms. Each has its label, what holds while it is empty, and the problem that the daemon
// found with it, at its place.

import type { ComponentChildren } from 'preact';
import { useId } from 'preact/hooks';
import { type Choice, whenUnset } from '../core/settings';

interface Common {
  label: string;
  /** The name of the setting, by which problems find it. */
  name?: string;
  help?: ComponentChildren;
  unset?: string | undefined;
  problem?: string | undefined;
  readOnly?: boolean | undefined;
}

interface Described {
  id: string;
  'aria-describedby'?: string;
  'aria-invalid'?: true;
  'data-field'?: string;
}

/** A label, a control, and what is said about it. */
function Frame({ common, children, group }: { common: Common; children: (described: Described) => ComponentChildren; group?: boolean }) {
  const id = useId();
  const { label, help, problem, name } = common;
  const notes = [help ? `${id}-help` : '', problem ? `${id}-problem` : ''].filter(Boolean).join(' ');
  const described: Described = { id };
  if (notes) described['aria-describedby'] = notes;
  if (problem) described['aria-invalid'] = true;
  if (name) described['data-field'] = name;
  return (
    <div class={`field ${problem ? 'wrong' : ''}`} role={group ? 'group' : undefined} aria-label={group ? label : undefined}>
      {group ? <span class="label">{label}</span> : <label class="label" for={id}>{label}</label>}
      <div class="control">{children(described)}</div>
      {problem && (
        <p class="field-problem" id={`${id}-problem`}>
          {problem}
        </p>
      )}
      {help && (
        <p class="field-help" id={`${id}-help`}>
          {help}
        </p>
      )}
    </div>
  );
}

interface TextProps extends Common {
  value: string;
  onInput: (value: string) => void;
  placeholder?: string | undefined;
  kind?: 'text' | 'number' | 'password' | 'datetime-local';
  unit?: string | undefined;
  autoFocus?: boolean;
  mono?: boolean;
  autocomplete?: string;
  required?: boolean;
}

export function TextField(props: TextProps) {
  const { value, onInput, kind = 'text', unit, unset } = props;
  const hint = unset ? whenUnset(unset) : props.placeholder;
  return (
    <Frame common={props}>
      {(described) => (
        <>
          <input
            {...described}
            class={props.mono ? 'mono' : ''}
            // One of those that take text; which, the type of the attribute cannot say.
            type={(kind === 'number' ? 'text' : kind) as 'text'}
            inputMode={kind === 'number' ? 'numeric' : undefined}
            value={value}
            placeholder={hint}
            readOnly={props.readOnly}
            autoFocus={props.autoFocus}
            autocomplete={props.autocomplete ?? 'off'}
            spellcheck={false}
            aria-required={props.required || undefined}
            onInput={(event) => onInput(event.currentTarget.value)}
          />
          {unit && <span class="unit">{unit}</span>}
        </>
      )}
    </Frame>
  );
}

interface ChoiceProps extends Common {
  value: string | undefined;
  onChange: (value: string | undefined) => void;
  choices: Choice[];
  /** Without it, one of the choices always holds. */
  optional?: boolean;
  /** What no choice means, where that is no default. */
  none?: string;
}

export function ChoiceField(props: ChoiceProps) {
  const { value, onChange, choices, unset, none, optional = true } = props;
  const inherited = choices.find((choice) => choice.value === unset)?.label ?? unset ?? '–';
  return (
    <Frame common={props}>
      {(described) => (
        <select {...described} value={value ?? ''} disabled={props.readOnly} onChange={(event) => onChange(event.currentTarget.value || undefined)}>
          {optional && <option value="">{none ?? `Default: ${inherited}`}</option>}
          {choices.map((choice) => (
            <option key={choice.value} value={choice.value}>
              {choice.label}
            </option>
          ))}
        </select>
      )}
    </Frame>
  );
}

interface SwitchProps extends Common {
  value: boolean;
  onChange: (value: boolean) => void;
}

export function SwitchField(props: SwitchProps) {
  const id = useId();
  return (
    <div class={`field switch ${props.problem ? 'wrong' : ''}`}>
      <label>
        <input
          type="checkbox"
          role="switch"
          checked={props.value}
          disabled={props.readOnly}
          data-field={props.name}
          aria-describedby={props.help ? id : undefined}
          onChange={(event) => props.onChange(event.currentTarget.checked)}
        />
        <span>{props.label}</span>
      </label>
      {props.problem && <p class="field-problem">{props.problem}</p>}
      {props.help && (
        <p class="field-help" id={id}>
          {props.help}
        </p>
      )}
    </div>
  );
}

interface ChecksProps extends Common {
  value: string[];
  onChange: (value: string[]) => void;
  choices: Choice[];
}

/** Several of a few, in the order in which they were ticked. */
export function ChecksField(props: ChecksProps) {
  const { value, onChange, choices } = props;
  const toggle = (word: string, on: boolean) => onChange(on ? [...value, word] : value.filter((other) => other !== word));
  return (
    <Frame common={{ ...props, help: [props.unset && value.length === 0 ? `None ticked: ${props.unset}.` : '', props.help].filter(Boolean).join(' ') }} group>
      {(described) => (
        <div class="checks" id={described.id} data-field={props.name}>
          {choices.map((choice) => (
            <label key={choice.value}>
              <input type="checkbox" checked={value.includes(choice.value)} disabled={props.readOnly} onChange={(event) => toggle(choice.value, event.currentTarget.checked)} />
              <span>{choice.label}</span>
              {value.length > 1 && value.includes(choice.value) && <small class="rank">{value.indexOf(choice.value) + 1}</small>}
            </label>
          ))}
        </div>
      )}
    </Frame>
  );
}

interface SegmentsProps<T extends string> extends Common {
  value: T;
  onChange: (value: T) => void;
  choices: { value: T; label: string; blocked?: string | undefined }[];
}

/** One of a few, all of which one sees. Radio buttons underneath: arrow keys move between them. */
export function Segments<T extends string>(props: SegmentsProps<T>) {
  const group = useId();
  return (
    <div class="segments" role="radiogroup" aria-label={props.label} data-field={props.name}>
      {props.choices.map((choice) => (
        <label key={choice.value} class={choice.value === props.value ? 'on' : ''} title={choice.blocked}>
          <input
            type="radio"
            name={group}
            value={choice.value}
            checked={choice.value === props.value}
            disabled={props.readOnly || choice.blocked !== undefined}
            onChange={() => props.onChange(choice.value)}
          />
          <span>{choice.label}</span>
        </label>
      ))}
    </div>
  );
}
