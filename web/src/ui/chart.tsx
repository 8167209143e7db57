// A chart of two lines over time, by uPlot, which is fetched with the first chart that is shown.

import { useEffect, useRef } from 'preact/hooks';
import type uPlot from 'uplot';
import { duration, moments } from '../core/format';
import { repaint } from '../core/theme';
import type { Side } from '../core/types';

export interface Line {
  name: string;
  side: Side;
  values: (number | null)[];
}

interface ChartProps {
  label: string;
  /** Seconds. */
  x: number[];
  lines: Line[];
  digits: number;
  unit: string;
  /** Lowest and highest value; without a highest it fits the values. */
  range: [number, number | null];
  /** Where lines go across; without it as it fits. */
  splits?: number[] | undefined;
}

const HEIGHT = 150;
/** Seconds between two marks of the axis of time: what clocks have. */
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800];
/** Charts that share it show the same moment under the pointer. */
const SYNC = 'quality';

export function Chart({ label, x, lines, digits, unit, range, splits }: ChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const data: uPlot.AlignedData = [x, ...lines.map((line) => line.values)];
  const latest = useRef(data);
  latest.current = data;
  const colours = repaint.value;

  useEffect(() => {
    const element = box.current;
    if (!element) return;
    let isGone = false;
    let observer: ResizeObserver | undefined;
    void Promise.all([import('uplot'), import('uplot/dist/uPlot.min.css')]).then(([{ default: UPlot }]) => {
      if (isGone) return;
      plot.current = new UPlot(options(element, { lines, digits, unit, range, splits }), latest.current, element);
      observer = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height: HEIGHT }));
      observer.observe(element);
    });
    return () => {
      isGone = true;
      observer?.disconnect();
      plot.current?.destroy();
      plot.current = undefined;
    };
  }, [colours]);

  useEffect(() => plot.current?.setData(data), [x, lines]);

  return <div class="chart" ref={box} role="img" aria-label={`${label}. ${summary(lines, digits, unit)}`} />;
}

/** For those who do not see the lines. */
function summary(lines: Line[], digits: number, unit: string): string {
  const of = (line: Line) => {
    const known = line.values.filter((value) => value !== null);
    if (known.length === 0) return `${line.name}: nothing`;
    const [low, high] = [Math.min(...known), Math.max(...known)];
    return `${line.name}: ${low.toFixed(digits)} to ${high.toFixed(digits)} ${unit}`.trim();
  };
  return lines.map(of).join('; ');
}

/** A colour of the style sheet as a canvas takes it: the property itself is `light-dark(…)`. */
function resolved(element: HTMLElement, name: string): string {
  element.style.color = `var(${name})`;
  const { color } = getComputedStyle(element);
  element.style.color = '';
  return color;
}

function options(element: HTMLElement, { lines, digits, unit, range, splits }: Omit<ChartProps, 'label' | 'x'>): uPlot.Options {
  const [low, high] = range;
  const colour = (name: string) => resolved(element, name);
  const value = (_: uPlot, shown: number | null) => (shown === null || shown === undefined ? '–' : `${shown.toFixed(digits)} ${unit}`.trim());
  const axis = { stroke: colour('--ink-2'), font: `12px ${getComputedStyle(element).fontFamily}`, grid: { stroke: colour('--line'), width: 1 }, ticks: { stroke: colour('--line'), width: 1 } };
  return {
    width: element.clientWidth,
    height: HEIGHT,
    cursor: { sync: { key: SYNC }, y: false },
    scales: { x: { time: false }, y: { range: (_, __, most) => [low, high ?? Math.max(1, (most ?? 0) * 1.15)] } },
    axes: [
      { ...axis, incrs: STEPS, values: (_, splits) => moments(splits) },
      { ...axis, size: 46, ...(splits ? { splits } : {}), values: (_, splits) => splits.map((split) => (Number.isInteger(split) ? String(split) : split.toFixed(1))) },
    ],
    series: [
      { label: 'At', value: (_, at) => (at === null ? '–' : duration(at)) },
      ...lines.map((line): uPlot.Series => ({
        label: line.name,
        stroke: colour(`--${line.side}`),
        width: 1.75,
        // Not by colour alone.
        dash: line.side === 'callee' ? [6, 4] : [],
        value,
        points: { show: line.values.length < 3 },
      })),
    ],
  };
}
