// How good the media of a call was over time, both ways in each chart.

import { useMemo } from 'preact/hooks';
import { bytes, count, fixed, lossPercent, party } from '../../core/format';
import { speech } from '../../core/live';
import type { CallDetail, Direction, Quality, QualitySample, Side } from '../../core/types';
import { Empty, Panel } from '../../ui/basic';
import { Chart } from '../../ui/chart';
import { Mos } from './mos';

const SIDES: Side[] = ['caller', 'callee'];

export function QualityView({ call }: { call: CallDetail }) {
  const { quality } = call;
  const names = { caller: `From ${party(call.from)} (caller)`, callee: `From ${party(call.to)} (callee)` };
  return (
    <>
      <div class="quality-now">
        {SIDES.map((side) => (
          <Now key={side} title={names[side]} direction={speech(call, side)} />
        ))}
      </div>
      {hasSamples(quality) ? (
        <Charts quality={quality} names={names} />
      ) : (
        <Empty icon="live" title="No history of quality yet">
          <p>{call.end ? 'The call was too short, or its history is not kept any more.' : 'The first samples come within a few seconds of media.'}</p>
        </Empty>
      )}
    </>
  );
}

function hasSamples(quality: Quality | null | undefined): quality is Quality {
  return (quality?.directions ?? []).some((direction) => direction.samples.length > 0);
}

function Now({ title, direction }: { title: string; direction: Direction | undefined }) {
  const loss = direction ? lossPercent(direction.lost, direction.packets) : null;
  return (
    <Panel title={title}>
      <dl class="facts">
        <div>
          <dt>MOS</dt>
          <dd class="big figure"><Mos value={direction?.mos} /></dd>
        </div>
        <div>
          <dt>Loss</dt>
          <dd class="big figure">{loss === null ? '–' : `${fixed(loss, 2)} %`}</dd>
        </div>
        <div>
          <dt>Jitter</dt>
          <dd class="big figure">{fixed(direction?.jitter_ms, 1)}{direction?.jitter_ms != null && ' ms'}</dd>
        </div>
        <div>
          <dt>Packets</dt>
          <dd class="figure">{count(direction?.packets)}</dd>
        </div>
        <div>
          <dt>Bytes</dt>
          <dd class="figure">{bytes(direction?.bytes)}</dd>
        </div>
        {direction?.far_end?.round_trip_ms != null && (
          <div>
            <dt>Round trip</dt>
            <dd class="figure">{fixed(direction.far_end.round_trip_ms, 0)} ms</dd>
          </div>
        )}
      </dl>
    </Panel>
  );
}

const METRICS: { title: string; unit: string; of: (sample: QualitySample) => number | null; digits: number; range: [number, number | null]; splits?: number[] }[] = [
  { title: 'MOS', unit: '', of: (sample) => sample.mos, digits: 2, range: [1, 4.6], splits: [1, 2, 3, 4] },
  { title: 'Loss', unit: '%', of: (sample) => sample.loss_percent, digits: 1, range: [0, null] },
  { title: 'Jitter', unit: 'ms', of: (sample) => sample.jitter_ms, digits: 1, range: [0, null] },
];

function Charts({ quality, names }: { quality: Quality; names: Record<Side, string> }) {
  const series = useMemo(() => aligned(quality), [quality]);
  return (
    <>
      {METRICS.map((metric) => (
        <Panel key={metric.title} title={metric.unit ? `${metric.title}, ${metric.unit}` : metric.title}>
          <Chart
            label={`${metric.title} of both directions over the time of the call`}
            x={series.seconds}
            lines={SIDES.map((side) => ({ name: names[side], side, values: series.samples[side].map((sample) => (sample ? metric.of(sample) : null)) }))}
            digits={metric.digits}
            unit={metric.unit}
            range={metric.range}
            splits={metric.splits}
          />
        </Panel>
      ))}
    </>
  );
}

/** Both directions on one axis of time: seconds since the first sample of either. */
export function aligned(quality: Quality): { seconds: number[]; samples: Record<Side, (QualitySample | null)[]> } {
  const of = (side: Side) => quality.directions.find((direction) => direction.from === side && direction.stream === 0)?.samples ?? [];
  const stepMs = Math.max(1, quality.interval_s * 1000);
  const slot = (sample: QualitySample) => Math.round(sample.at_ms / stepMs);
  const bySide = { caller: new Map(of('caller').map((s) => [slot(s), s])), callee: new Map(of('callee').map((s) => [slot(s), s])) };
  const slots = [...new Set([...bySide.caller.keys(), ...bySide.callee.keys()])].sort((a, b) => a - b);
  const first = slots[0] ?? 0;
  return {
    seconds: slots.map((slot) => ((slot - first) * stepMs) / 1000),
    samples: {
      caller: slots.map((slot) => bySide.caller.get(slot) ?? null),
      callee: slots.map((slot) => bySide.callee.get(slot) ?? null),
    },
  };
}
