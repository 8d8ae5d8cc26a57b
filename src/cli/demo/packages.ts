import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { FedrotError } from '../../errors.js';

export interface InstalledPackage {
  readonly name: string;
  readonly version: string;
  readonly folder: string;
}

/**
 * Where npm has put a package that the demo reads files of. Looked up by folder, as Node does, because a package may
 * not export its package.json. Throws not_found with what to install.
 */
export function findPackage(name: string): InstalledPackage {
  const folders = createRequire(import.meta.url).resolve.paths(name) ?? [];
  for (const base of folders) {
    const folder = join(base, name);
    const manifest = join(folder, 'package.json');
    if (!existsSync(manifest)) continue;
    const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string };
    return { name, version, folder };
  }
  throw new FedrotError(
    'not_found',
    `the demo needs the npm package ${name}: run it in a clone of the repository (npm run demo) or \`npm install ${name}\``,
  );
}
