import type { Plugin } from 'vite';

export function packagesOf(moduleIds: Iterable<string>, top: string): string[];
export function licences(directories: string[]): string;
export function thirdPartyLicences(): Plugin;
