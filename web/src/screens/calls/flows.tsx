// The flow entries of a call, as the maps have them; each opens to everything that is counted.

import { bytes, count, fixed, oneLine, words } from '../../core/format';
import type { CallDetail, Flow } from '../../core/types';
import { Empty } from '../../ui/basic';
import { PathBadges } from '../../ui/security';

export function Flows({ call }: { call: CallDetail }) {
  const flows = call.flows ?? [];
  if (flows.length === 0) {
    return (
      <Empty icon="route" title={call.end ? 'The flows of this call are gone' : 'No flows yet'}>
        <p>{call.end ? 'Flow entries live as long as the call. What passed is under Details.' : 'They are installed when the call is answered, or with early media.'}</p>
      </Empty>
    );
  }
  return (
    <div class="flow-list">
      {flows.map((flow, index) => (
        <FlowEntry key={`${String(flow.flow ?? index)} ${flow.from} ${String(flow.carries)}`} flow={flow} />
      ))}
    </div>
  );
}

const text = (value: unknown) => (value === null || value === undefined ? '–' : String(value));
const number = (value: unknown) => (typeof value === 'number' ? value : null);

function FlowEntry({ flow }: { flow: Flow }) {
  const { far_end, next_hops, drops, kernel, relay, ...plain } = flow;
  return (
    <details class="flow">
      <summary>
        <span class="flow-what">
          {flow.from} <strong>{text(flow.carries ?? 'rtp').toUpperCase()}</strong>
        </span>
        <PathBadges paths={[flow.path]} />
        <span class="flow-way mono break">
          {text(flow['source'])} → {text(flow['local'])} ⇢ {text(flow['leaves_from'])} → {text(flow['remote'])}
        </span>
        <span class="flow-count figure">{count(number(flow['packets']))} packets</span>
        <span class="flow-count figure">{bytes(number(flow['bytes']))}</span>
        <span class="flow-count figure">{fixed(number(flow['jitter_ms']), 1)} ms</span>
      </summary>
      <dl class="values">
        {Object.entries(plain).map(([name, value]) => (
          <Value key={name} name={name} value={value} />
        ))}
        {[...groups('far_end', far_end), ...groups('drops', drops), ...groups('kernel', kernel), ...groups('relay', relay)].map(([name, value]) => (
          <Value key={name} name={name} value={value} />
        ))}
        {Array.isArray(next_hops) && next_hops.map((hop, index) => <Value key={index} name={`next_hops[${index}]`} value={hop} />)}
      </dl>
    </details>
  );
}

function Value({ name, value }: { name: string; value: unknown }) {
  return (
    <div>
      <dt>{words(name)}</dt>
      <dd class="mono break">{oneLine(value)}</dd>
    </div>
  );
}

/** `{"a": {"b": 1}}` as `a b: 1`. */
function groups(name: string, value: unknown): [string, unknown][] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]): [string, unknown][] =>
    typeof inner === 'object' && inner !== null ? groups(`${name} ${key}`, inner) : [[`${name} ${key}`, inner]],
  );
}
