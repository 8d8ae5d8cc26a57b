import { resolveLocal, type ScannedFile } from './scan.js';

/** Scripts, benches and chaos tests are plain JavaScript on the compiled code: no compiler sees what they name. */

const COMPILED = /\bdist\/([\w/-]+)\.js\b/g;
const COMPUTED = /\bdist\/$/;

const sourceOf = (compiled: string): string => `src/${compiled}.ts`;

/** What `files` name of dist (imports and other paths in strings, names that they import) that `sources` do not make. */
export function compiledViolations(files: readonly ScannedFile[], sources: readonly ScannedFile[]): string[] {
  const exportsOf = new Map(sources.map((file) => [file.path, new Set(file.exports)]));
  return files.flatMap((file) => {
    const gone = file.strings
      .flatMap((text) => [...text.matchAll(COMPILED)])
      .map(([, compiled]) => sourceOf(compiled!))
      .filter((source) => !exportsOf.has(source))
      .map((source) => `${file.path} names the compiled ${source}: there is no such file`);
    const missing = file.imports.flatMap(({ specifier, line, names }) => {
      const [, compiled] = /^dist\/(.*)\.ts$/.exec(resolveLocal(file.path, specifier) ?? '') ?? [];
      const exported = compiled === undefined ? undefined : exportsOf.get(sourceOf(compiled));
      return names
        .filter((name) => exported?.has(name) === false)
        .map((name) => `${file.path}:${line} imports ${name} from ${specifier}: no such export`);
    });
    return [...gone, ...missing];
  });
}

/** Paths below dist that are put together at run time: nothing can check them. */
export function computedPaths(files: readonly ScannedFile[]): string[] {
  return files
    .filter((file) => file.strings.some((text) => COMPUTED.test(text)))
    .map((file) => `${file.path} computes a path below dist: write \`import('…/dist/….js')\` out`);
}
