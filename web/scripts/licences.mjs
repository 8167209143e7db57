// The terms of what is bundled go along with it, as they ask: one file of all their texts, in the build.

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const FILE_NAME = 'third-party-licences.txt';

/** What the bundler itself adds to a bundle is named so, and comes from the package of that name. */
const ADDED_BY = /^\0(vite|rolldown)\//;
const INSTALLED = /^(?<package>.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+)[\\/]/;

/** The packages whose modules these are: their directories, each once. */
export function packagesOf(moduleIds, top) {
  const found = new Set();
  for (const id of moduleIds) {
    const tool = ADDED_BY.exec(id)?.[1];
    const directory = tool ? join(top, 'node_modules', tool) : INSTALLED.exec(id)?.groups?.package;
    if (directory) found.add(directory);
  }
  return [...found].sort();
}

/** What stands in the file. A package without a text of its licence is an error: it may not go along. */
export function licences(directories) {
  const head = `The console of Trunkline has parts of the following packages, each under its own licence.\n`;
  return [head, ...directories.map(section)].join(`\n${'-'.repeat(80)}\n\n`);
}

function section(directory) {
  const about = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'));
  const file = readdirSync(directory).find((name) => /^licen[cs]e(\.(md|txt))?$/i.test(name));
  if (!file) throw new Error(`${directory} has no text of its licence`);
  const own = ownPart(readFileSync(join(directory, file), 'utf8'));
  return `${about.name} ${about.version} (${about.license ?? 'see below'})\n\n${own.trim()}\n`;
}

/** Vite names there what Vite itself is bundled with, too: nothing of that gets into a bundle of ours. */
function ownPart(text) {
  return text.split(/^# Licenses of bundled dependencies$/m, 1)[0] ?? text;
}

/** Writes the file beside the others. */
export function thirdPartyLicences() {
  let top = '.';
  return {
    name: 'third-party-licences',
    apply: 'build',
    configResolved(config) {
      top = config.root;
    },
    generateBundle(_, bundle) {
      const chunks = Object.values(bundle).filter((output) => output.type === 'chunk');
      const modules = chunks.flatMap((chunk) => chunk.moduleIds);
      const source = licences(packagesOf(modules, top));
      this.emitFile({ type: 'asset', fileName: FILE_NAME, source });
    },
  };
}
