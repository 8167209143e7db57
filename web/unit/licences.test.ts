import { describe, expect, it } from 'vitest';
import { licences, packagesOf } from '../scripts/licences.mjs';

const TOP = new URL('..', import.meta.url).pathname;

const modules = [
  '/a/src/main.tsx',
  '\0vite/preload-helper.js',
  'node_modules/preact/dist/preact.mjs',
  'node_modules/preact/hooks/dist/hooks.mjs',
  'node_modules/@preact/signals/dist/signals.mjs',
  'node_modules/uplot/dist/uPlot.esm.js',
].map((id) => (id.startsWith('node_modules') ? `${TOP}${id}` : id));

describe('the licences that go along with the console', () => {
  it('are of each package that is bundled, once', () => {
    const names = packagesOf(modules, '/a').map((directory) => directory.replace(/^.*node_modules\//, ''));
    expect(names.sort()).toEqual(['@preact/signals', 'preact', 'uplot', 'vite']);
  });

  it('are the texts themselves, with whose they are', () => {
    const text = licences(packagesOf(modules, TOP));
    for (const word of [/^preact \d+\.\d+/m, /^uplot \d+\.\d+/m, /^@preact\/signals \d/m, /Jason Miller/, /Leon Sorokin/, /Preact Team/]) {
      expect(text).toMatch(word);
    }
    expect(text.match(/Permission is hereby granted/g)).toHaveLength(4);
    expect(text.match(/THE SOFTWARE IS PROVIDED "AS IS"/g)).toHaveLength(4);
  });

  it('that are missing are an error', () => {
    expect(() => licences([`${TOP}src`])).toThrow();
  });
});
