import { describe, expect, it } from 'vitest';
import css from '../src/style/tokens.css?raw';

/** `--ink: light-dark(#161b22, #e8ecf1);` */
const TOKEN = /--([\w-]+):\s*light-dark\((#[0-9a-f]{6}),\s*(#[0-9a-f]{6})\)/g;

const tokens = new Map([...css.matchAll(TOKEN)].map(([, name, light, dark]) => [name, { light, dark }] as const));

/** WCAG 2.2, relative luminance. */
function luminance(colour: string): number {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const share = parseInt(colour.slice(at, at + 2), 16) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(a: string, b: string): number {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

const TEXTS: [text: string, ground: string][] = [
  ...['ground', 'surface', 'sunken', 'hover'].flatMap((ground): [string, string][] => [['ink', ground], ['ink-2', ground]]),
  ...['ground', 'surface', 'hover', 'accent-soft'].map((ground): [string, string] => ['accent', ground]),
  ['on-accent', 'accent'],
  ['on-bad', 'bad'],
  ...['good', 'info', 'warning', 'bad'].flatMap((tone): [string, string][] => [[tone, `${tone}-soft`], [tone, 'surface'], [tone, 'hover'], ['ink', `${tone}-soft`], ['ink-2', `${tone}-soft`]]),
  ['ink', 'accent-soft'],
  ['accent', 'warning-soft'],
  ['accent', 'info-soft'],
];
const EDGES: [edge: string, ground: string][] = [['edge', 'surface'], ['edge', 'ground'], ['edge', 'sunken'], ['caller', 'surface'], ['callee', 'surface']];

describe.each(['light', 'dark'] as const)('in %s colours', (theme) => {
  const colour = (name: string) => tokens.get(name)?.[theme] ?? 'missing';
  it.each(TEXTS)('%s can be read on %s', (text, ground) => {
    expect(contrast(colour(text), colour(ground))).toBeGreaterThanOrEqual(4.5);
  });
  it.each(EDGES)('%s can be seen on %s', (edge, ground) => {
    expect(contrast(colour(edge), colour(ground))).toBeGreaterThanOrEqual(3);
  });
});
