// Rules that add, remove or rewrite headers (SIG-6).

import type { Problem } from '../../core/api';
import type { Settings } from '../../core/types';
import { Button, Panel } from '../../ui/basic';
import { ChoiceField, TextField } from '../../ui/field';

interface Rule {
  direction: string;
  messages?: string;
  add?: string;
  remove?: string;
  replace?: string;
  value?: string;
  pattern?: string;
  with?: string;
}

type Action = 'add' | 'remove' | 'replace';

const ACTIONS = [
  { value: 'add', label: 'Add' },
  { value: 'remove', label: 'Remove' },
  { value: 'replace', label: 'Replace in' },
];
const DIRECTIONS = [
  { value: 'in', label: 'From the peer' },
  { value: 'out', label: 'To the peer' },
];
const MESSAGES = [
  { value: 'all', label: 'All messages' },
  { value: 'requests', label: 'Requests' },
  { value: 'responses', label: 'Responses' },
];

interface RulesProps {
  settings: Settings;
  onChange: (settings: Settings) => void;
  problem: Problem | undefined;
  readOnly: boolean;
}

export function HeaderRules({ settings, onChange, problem, readOnly }: RulesProps) {
  const rules = (settings['header_rules'] as Rule[] | undefined) ?? [];
  const set = (next: Rule[]) => onChange({ ...settings, header_rules: next });
  const replace = (index: number, rule: Rule) => set(rules.map((other, place) => (place === index ? rule : other)));
  return (
    <Panel title="Header rules" about="Carried out in this order, after it is decided which headers pass.">
      {rules.map((rule, index) => (
        <RuleRow
          key={index}
          rule={rule}
          name={`header_rules[${index}]`}
          problem={problem}
          readOnly={readOnly}
          onChange={(next) => replace(index, next)}
          onRemove={() => set(rules.filter((_, place) => place !== index))}
        />
      ))}
      {rules.length === 0 && <p class="muted">No rules.</p>}
      {!readOnly && (
        <Button kind="quiet" icon="plus" onClick={() => set([...rules, { direction: 'out', remove: '' }])}>
          Add a rule
        </Button>
      )}
    </Panel>
  );
}

interface RowProps {
  rule: Rule;
  name: string;
  problem: Problem | undefined;
  readOnly: boolean;
  onChange: (rule: Rule) => void;
  onRemove: () => void;
}

function RuleRow({ rule, name, problem, readOnly, onChange, onRemove }: RowProps) {
  const action: Action = rule.add !== undefined ? 'add' : rule.replace !== undefined ? 'replace' : 'remove';
  const header = rule[action] ?? '';
  const at = (field: string) => (problem?.field === `${name}.${field}` ? problem.sentence : undefined);
  const whole = problem?.field === name ? problem.sentence : undefined;
  const { direction, messages } = rule;
  const kept = { direction, ...(messages ? { messages } : {}) };
  const become = (next: Action) =>
    onChange(
      next === 'add' ? { ...kept, add: header, value: '' } : next === 'remove' ? { ...kept, remove: header } : { ...kept, replace: header, pattern: '', with: '' },
    );
  return (
    <div class="rule" data-field={name}>
      <ChoiceField label="Direction" optional={false} value={direction} choices={DIRECTIONS} readOnly={readOnly} problem={at('direction')} onChange={(value) => onChange({ ...rule, direction: value ?? 'out' })} />
      <ChoiceField label="Messages" optional={false} value={messages ?? 'all'} choices={MESSAGES} readOnly={readOnly} problem={at('messages')} onChange={(value) => onChange({ ...rule, messages: value ?? 'all' })} />
      <ChoiceField label="What" optional={false} value={action} choices={ACTIONS} readOnly={readOnly} onChange={(value) => become((value ?? 'remove') as Action)} />
      <TextField label="Header" mono value={header} placeholder="X-Campaign" readOnly={readOnly} problem={at(action) ?? whole} onInput={(text) => onChange({ ...rule, [action]: text })} />
      {action === 'add' && <TextField label="Value" mono value={rule.value ?? ''} readOnly={readOnly} problem={at('value')} onInput={(value) => onChange({ ...rule, value })} />}
      {action === 'replace' && (
        <>
          <TextField label="Pattern" mono value={rule.pattern ?? ''} placeholder="^\+" readOnly={readOnly} problem={at('pattern')} onInput={(pattern) => onChange({ ...rule, pattern })} />
          <TextField label="With" mono value={rule.with ?? ''} readOnly={readOnly} problem={at('with')} onInput={(text) => onChange({ ...rule, with: text })} />
        </>
      )}
      {!readOnly && <Button kind="quiet" icon="close" label="Remove this rule" onClick={onRemove} />}
    </div>
  );
}
