import { resolveLocal, type ScannedFile } from './scan.js';

/** Files directly in src: errors, clock, log, run-spec, … Everyone may import them. */
export const VOCABULARY = 'vocabulary';

/** Folder of src → the folders that it may import, itself and the vocabulary aside (docs/architecture.md). */
export const ARROWS: Readonly<Record<string, readonly string[] | 'everything'>> = {
  [VOCABULARY]: [],
  tensor: [],
  align: ['tensor'],
  train: ['tensor'],
  rpc: ['tensor', 'pki'],
  pki: [],
  evidence: ['tensor'],
  metrics: [],
  trace: [],
  model: ['train', 'tensor'],
  // What the coordinator's HTTP API says, as types: both ends import it.
  api: [],
  server: ['align', 'tensor', 'rpc', 'pki', 'evidence', 'metrics', 'trace', 'api'],
  client: ['train', 'model', 'align', 'tensor', 'rpc', 'pki', 'evidence', 'metrics', 'trace'],
  sim: ['server', 'client', 'model', 'train', 'align', 'tensor', 'evidence'],
  web: ['api'],
  cli: 'everything',
};

/** The files that may read the environment: configuration is read in one place. */
export const ENV_READERS: readonly string[] = ['src/cli/env.ts'];

export const MAX_LINES = 500;

export const layerOf = (path: string): string => {
  const [, folder, ...rest] = path.split('/');
  return rest.length === 0 ? VOCABULARY : folder!;
};

/** Imports that go against the arrows, out of src, or to a file that is not there. */
export function arrowViolations(
  files: readonly ScannedFile[],
  arrows: Readonly<Record<string, readonly string[] | 'everything'>> = ARROWS,
): string[] {
  const known = new Set(files.map((file) => file.path));
  return files.flatMap((file) => {
    const from = layerOf(file.path);
    const allowed = arrows[from];
    if (allowed === undefined) return [`${file.path}: folder ${from} has no row in the table of arrows`];
    return file.imports.flatMap(({ specifier, line }) => {
      const target = resolveLocal(file.path, specifier);
      if (target === undefined) return [];
      const where = `${file.path}:${line} imports ${target}`;
      if (!target.startsWith('src/')) return target === 'package.json' ? [] : [`${where}: out of src`];
      if (!known.has(target)) return [`${where}: there is no such file`];
      const to = layerOf(target);
      if (allowed === 'everything' || to === from || to === VOCABULARY || allowed.includes(to)) return [];
      return [`${where}: ${from} may not import ${to}`];
    });
  });
}

/** Files that import an index of their own folder or of one above it. */
export function ownIndexViolations(files: readonly ScannedFile[]): string[] {
  return files.flatMap((file) =>
    file.imports.flatMap(({ specifier, line }) => {
      const target = resolveLocal(file.path, specifier);
      const index =
        target === undefined
          ? undefined
          : /^(.*\/)index\.ts$/.exec(/\.tsx?$/.test(target) ? target : `${target}/index.ts`);
      return index && file.path.startsWith(index[1]!)
        ? [`${file.path}:${line} imports its own folder's index ${index[0]}`]
        : [];
    }),
  );
}

/** Every cycle once, as `a → b → a`; type imports count, `import()` does not. */
export function cycles(files: readonly ScannedFile[]): string[] {
  const targets = new Map(
    files.map((file) => [
      file.path,
      file.imports
        .filter(({ dynamic }) => !dynamic)
        .flatMap(({ specifier }) => resolveLocal(file.path, specifier) ?? []),
    ]),
  );
  const done = new Set<string>();
  const found: string[] = [];
  const walk = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path);
    if (start >= 0) {
      found.push([...trail.slice(start), path].join(' → '));
      return;
    }
    if (done.has(path)) return;
    for (const target of targets.get(path) ?? []) walk(target, [...trail, path]);
    done.add(path);
  };
  for (const path of targets.keys()) walk(path, []);
  return found;
}

/** Everything that loading `entry` loads at run time: neither type imports nor `import()`. */
export function staticClosure(files: readonly ScannedFile[], entry: string): Set<string> {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const reached = new Set<string>();
  const walk = (path: string): void => {
    const file = byPath.get(path);
    if (!file || reached.has(path)) return;
    reached.add(path);
    for (const { specifier, typeOnly, dynamic } of file.imports) {
      const target = typeOnly || dynamic ? undefined : resolveLocal(path, specifier);
      if (target !== undefined) walk(target);
    }
  };
  walk(entry);
  return reached;
}

export function envViolations(
  files: readonly ScannedFile[],
  readers: readonly string[] = ENV_READERS,
): string[] {
  return files
    .filter((file) => !readers.includes(file.path))
    .flatMap((file) => file.envReads.map((line) => `${file.path}:${line} reads the environment`));
}

export function lengthViolations(files: readonly ScannedFile[], limit = MAX_LINES): string[] {
  return files
    .filter((file) => file.lines > limit)
    .map((file) => `${file.path}: ${file.lines} lines; split it (at most ${limit})`);
}

/** Values that a file of `sources` exports and no other file imports by name; not of files that are imported whole. */
export function unusedExports(sources: readonly ScannedFile[], users: readonly ScannedFile[]): string[] {
  const taken = new Map<string, Set<string>>();
  const whole = new Set<string>();
  for (const file of [...sources, ...users])
    for (const { specifier, names } of file.imports) {
      const target = resolveLocal(file.path, specifier)?.replace(/^dist\//, 'src/');
      if (target === undefined) continue;
      if (names.length === 0) whole.add(target);
      taken.set(target, new Set([...(taken.get(target) ?? []), ...names]));
    }
  return sources.flatMap(({ path, exports }) => {
    const plain = path.replace(/x$/, '');
    const used = [path, plain].flatMap((known) => [...(taken.get(known) ?? [])]);
    if (whole.has(path) || whole.has(plain)) return [];
    return exports
      .filter((name) => !used.includes(name))
      .map((name) => `${path} exports ${name}, which nobody imports`);
  });
}
