import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

interface Locked {
  readonly hasInstallScript?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
}

const read = (path: string): unknown => JSON.parse(readFileSync(join(root, path), 'utf8'));
const locked = (read('package-lock.json') as { packages: Readonly<Record<string, Locked>> }).packages;

/** The package and everything that it brings along, flat in node_modules. */
function closure(name: string, found = new Set<string>()): Set<string> {
  if (found.has(name)) return found;
  found.add(name);
  const entry = locked[`node_modules/${name}`];
  expect(entry, `${name} is in the lock file`).toBeDefined();
  for (const each of Object.keys(entry?.dependencies ?? {})) closure(each, found);
  return found;
}

test('packages with install scripts are those that are known, and what users install runs none', () => {
  const scripted = Object.entries(locked)
    .filter(([, { hasInstallScript }]) => hasInstallScript === true)
    .map(([path]) => path.replace('node_modules/', ''));
  const { allowScripts, overrides } = read('package.json') as {
    allowScripts: Readonly<Record<string, boolean>>;
    overrides: Readonly<Record<string, string>>;
  };
  // What users install: refused by package.json. The rest are tools of the repository, pinned there.
  const refused = Object.keys(allowScripts);
  expect(Object.values(allowScripts)).not.toContain(true);
  expect(scripted.filter((name) => !refused.includes(name))).toEqual(Object.keys(overrides));
});

test('nothing that reads or writes certificates has an install script (decision 0008)', () => {
  const names = [...closure('@peculiar/x509'), 'reflect-metadata'];
  const scripts = names.flatMap((name) => {
    const { scripts: own = {} } = read(`node_modules/${name}/package.json`) as {
      scripts?: Readonly<Record<string, string>>;
    };
    return ['preinstall', 'install', 'postinstall']
      .filter((key) => key in own)
      .map((key) => `${name} ${key}`);
  });
  expect(scripts).toEqual([]);
  expect(names.length).toBeLessThanOrEqual(20);
});
