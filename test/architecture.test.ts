import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { compiledViolations, computedPaths } from './support/architecture/compiled.js';
import {
  arrowViolations,
  cycles,
  envViolations,
  lengthViolations,
  ownIndexViolations,
  staticClosure,
  unusedExports,
} from './support/architecture/layers.js';
import {
  DASHBOARD,
  DEMO,
  licenceAllowed,
  licenceViolations,
  lockViolations,
  looseVersions,
  ownerViolations,
  unusedPackages,
  type Lock,
  type Manifest,
} from './support/architecture/packages.js';
import { packageOf, scanFolders, scanSource, type ScannedFile } from './support/architecture/scan.js';
import { readRepoJson, repoPath, repoRoot } from './support/repo.js';

const GENERATED = 'src/rpc/gen/';

const src = scanFolders(repoRoot, ['src']);
const written = src.filter((file) => !file.path.startsWith(GENERATED));
const house = [
  ...scanFolders(repoRoot, ['test', 'bench', 'scripts', 'examples']),
  ...['eslint.config.js', 'vitest.config.ts'].map((path) =>
    scanSource(path, readFileSync(repoPath(path), 'utf8')),
  ),
];
const manifest = readRepoJson('package.json') as Manifest;
const lock = readRepoJson('package-lock.json') as Lock;

describe('fedrot', () => {
  test('the scan sees the sources', () => {
    expect(src.length).toBeGreaterThan(20);
    expect(src.flatMap((file) => file.imports).length).toBeGreaterThan(50);
  });
  test('imports follow the arrows', () => {
    expect(arrowViolations(src)).toEqual([]);
  });
  test('there are no cycles', () => {
    expect(cycles(written)).toEqual([]);
  });
  test('no folder imports its own index', () => {
    expect(ownIndexViolations(src)).toEqual([]);
  });
  test('the environment is read in one place', () => {
    expect(envViolations(src)).toEqual([]);
  });
  test('no file is longer than the budget', () => {
    expect(lengthViolations([...written, ...house])).toEqual([]);
  });
  test('what scripts, benches and tests name of the compiled code is there', () => {
    // Not the linter's list of folders, nor the samples below.
    const own = ['eslint.config.js', 'test/architecture.test.ts'];
    const scanned = house.filter((file) => !own.includes(file.path));
    expect(scanned.flatMap((file) => file.strings).join('\n')).toContain('dist/cli/main.js');
    expect(compiledViolations(scanned, src)).toEqual([]);
    expect(computedPaths(scanned)).toEqual([]);
  });
  test('what is exported is imported somewhere', () => {
    expect(unusedExports(written, house)).toEqual([]);
  });
  test('every package has one owner', () => {
    expect(ownerViolations([...src, ...house], manifest)).toEqual([]);
  });
  test('every package is used', () => {
    expect(unusedPackages([...src, ...house], manifest)).toEqual([]);
  });
  test('what is installed for users loads nothing that only development installs', () => {
    const entries = src.filter((file) => ![DEMO, DASHBOARD].some((place) => file.path.startsWith(place)));
    const loaded = new Set(entries.flatMap((file) => [...staticClosure(src, file.path)]));
    const imports = src.filter((file) => loaded.has(file.path)).flatMap((file) => file.imports);
    const used = new Set(imports.filter((site) => !site.typeOnly).map((site) => packageOf(site.specifier)));
    expect(Object.keys(manifest.devDependencies ?? {}).filter((name) => used.has(name))).toEqual([]);
  });
  test('versions are exact', () => {
    expect(looseVersions(manifest)).toEqual([]);
  });
  test('production packages have licences that allow everyone to pass fedrot on', () => {
    expect(licenceViolations(lock)).toEqual([]);
  });
  test('the lock file names no host and holds a digest of every package', () => {
    expect(lockViolations(lock)).toEqual([]);
  });
  test('the coordinator loads neither the training engine nor the silo', () => {
    const reached = src
      .filter((file) => file.path.startsWith('src/server/') || file.path === 'src/cli/main.ts')
      .flatMap((file) => [...staticClosure(src, file.path)]);
    expect(reached.filter((path) => /^src\/(train|model|client)\//.test(path))).toEqual([]);
  });
});

describe('the checks themselves', () => {
  const at = (path: string, text: string): ScannedFile => scanSource(path, text);

  test('every way to import is seen, with its line', () => {
    const { imports } = at(
      'src/a.ts',
      `import './one.js';\nimport { x } from 'two';\nimport type { Y } from './three.js';\nexport * from './four.js';
const five = await import('./five.js');\nconst six = require('six');\nlet z: import('./seven.js').Z;
import { type P, type Q } from './eight.js';\nexport type { R } from './nine.js';\nimport.meta.resolve('ten/x.json');`,
    );
    expect(
      imports.map(({ specifier, line, typeOnly, dynamic }) => [specifier, line, typeOnly, dynamic]),
    ).toEqual([
      ['./one.js', 1, false, false],
      ['two', 2, false, false],
      ['./three.js', 3, true, false],
      ['./four.js', 4, false, false],
      ['./five.js', 5, false, true],
      ['six', 6, false, true],
      ['./seven.js', 7, true, false],
      ['./eight.js', 8, true, false],
      ['./nine.js', 9, true, false],
      ['ten/x.json', 10, false, true],
    ]);
  });

  test('imports against the arrows', () => {
    const files = [
      at('src/errors.ts', `import './tensor/a.js'`),
      at(
        'src/tensor/a.ts',
        `import '../errors.js'; import type { T } from '../train/t.js'; import './gone.js'`,
      ),
      at('src/train/t.ts', `import '../tensor/a.js'; import '../../test/support/repo.js'`),
      at('src/server/s.ts', `const t = await import('../train/t.js')`),
      at('src/cli/c.ts', `import '../train/t.js'; import '../server/s.js'`),
      at('src/new/n.ts', ''),
    ];
    expect(arrowViolations(files)).toEqual([
      'src/errors.ts:1 imports src/tensor/a.ts: vocabulary may not import tensor',
      'src/tensor/a.ts:1 imports src/train/t.ts: tensor may not import train',
      'src/tensor/a.ts:1 imports src/tensor/gone.ts: there is no such file',
      'src/train/t.ts:1 imports test/support/repo.ts: out of src',
      'src/server/s.ts:1 imports src/train/t.ts: server may not import train',
      'src/new/n.ts: folder new has no row in the table of arrows',
    ]);
  });

  test('cycles, however long, and not what only looks like one', () => {
    const files = [
      at('src/a.ts', `import './b.js'`),
      at('src/b.ts', `import './c.js'; import './d.js'`),
      at('src/c.ts', `import type { A } from './a.js'; import './d.js'`),
      at('src/d.ts', `const later = () => import('./b.js')`),
    ];
    expect(cycles(files)).toEqual(['src/a.ts → src/b.ts → src/c.ts → src/a.ts']);
  });

  test('own indexes', () => {
    const files = [
      at('src/x/a.ts', `import './index.js'; import '../y/index.js'; import '.'`),
      at('src/x/deep/b.ts', `import '../index.js'; import './c.js'`),
    ];
    expect(ownIndexViolations(files)).toEqual([
      "src/x/a.ts:1 imports its own folder's index src/x/index.ts",
      "src/x/a.ts:1 imports its own folder's index src/x/index.ts",
      "src/x/deep/b.ts:1 imports its own folder's index src/x/index.ts",
    ]);
  });

  test('reads of the environment, however they are spelled', () => {
    const text = `process.env.A;\nprocess['env'];\nimport { env as e } from 'node:process';\nconst { env } = options;`;
    expect(envViolations([at('src/a.ts', text), at('src/cli/env.ts', text)])).toEqual([
      'src/a.ts:1 reads the environment',
      'src/a.ts:2 reads the environment',
      'src/a.ts:3 reads the environment',
    ]);
  });

  test('long files', () => {
    const files = [at('src/a.ts', 'x;\n'.repeat(500)), at('src/b.ts', 'x;\n'.repeat(501))];
    expect(lengthViolations(files)).toEqual(['src/b.ts: 501 lines; split it (at most 500)']);
  });

  test('what loading a file loads', () => {
    const files = [
      at('src/a.ts', `import './b.js'; import type { D } from './d.js'; import('./e.js')`),
      at('src/b.ts', `export * from './c.js'`),
      at('src/c.ts', ''),
      at('src/d.ts', ''),
      at('src/e.ts', ''),
    ];
    expect([...staticClosure(files, 'src/a.ts')]).toEqual(['src/a.ts', 'src/b.ts', 'src/c.ts']);
  });

  test('compiled code that is not there, and paths to it that nothing can check', () => {
    const sources = [
      at(
        'src/x/a.ts',
        `export const one = 1, { two, b: three } = f(); export function four() {}; class C {}`,
      ),
      at('src/x/b.ts', `export class D {}; export { E } from './e.js'; export type { F } from './f.js';`),
    ];
    const files = [
      at(
        'bench/a.mjs',
        `import { one, two, b, four, C } from '../dist/x/a.js';\nimport '../dist/x/gone.js';`,
      ),
      at(
        'scripts/b.mjs',
        `const { D, E: other, G } = await import('../dist/x/b.js'); f(\`\${root}/dist/y.js\`);`,
      ),
      at('test/c.mjs', 'const load = (path) => import(`../dist/${path}`);'),
    ];
    expect(compiledViolations(files, sources)).toEqual([
      'bench/a.mjs names the compiled src/x/gone.ts: there is no such file',
      'bench/a.mjs:1 imports C from ../dist/x/a.js: no such export',
      'scripts/b.mjs names the compiled src/y.ts: there is no such file',
      'scripts/b.mjs:1 imports G from ../dist/x/b.js: no such export',
    ]);
    expect(computedPaths(files)).toEqual([
      "test/c.mjs computes a path below dist: write `import('…/dist/….js')` out",
    ]);
  });

  test('exports that nobody imports', () => {
    const files = [
      at('src/a.ts', `export const one = 1, two = 2; export function three() {} export interface Four {}`),
      at('src/b.ts', `import { one } from './a.js'; export const five = 5; import('./c.js')`),
      at('src/c.ts', `export const whole = 1`),
      at('src/d.tsx', `export const Page = 1`),
    ];
    const users = [at('scripts/e.mjs', `const { two } = await import('../dist/a.js');`)];
    expect(unusedExports(files, users)).toEqual([
      'src/a.ts exports three, which nobody imports',
      'src/b.ts exports five, which nobody imports',
      'src/d.tsx exports Page, which nobody imports',
    ]);
  });

  test('packages outside their owners, without a row, unused, or only for development', () => {
    const owners = {
      one: { importedBy: ['src/x/', 'src/z/'] },
      '@s/two': { importedBy: ['src/x/'] },
      three: { namedIn: 'src/x/' },
      named: { namedIn: 'src/y/' },
      dev: { importedBy: ['src/x/'] },
      gone: { importedBy: ['src/x/'] },
    };
    const sample = {
      dependencies: { one: '1.0.0', '@s/two': '1.0.0', three: '1.0.0', named: '1.0.0', new: '1.0.0' },
      devDependencies: { dev: '1.0.0', '@types/none': '1.0.0', '@types/node': '1.0.0' },
    };
    const files = [
      at('src/x/a.ts', `import 'one'; import 'dev'`),
      at('test/a.test.ts', `import 'one'; import 'strange'`),
      at(
        'src/y/b.ts',
        `import 'one/deep.js'; import 'new'; import 'node:fs'; import './c.js'; f('named/x.cjs')`,
      ),
    ];
    expect(ownerViolations(files, sample, owners)).toEqual([
      'src/x/a.ts:1 imports dev: it is not among the dependencies that users install',
      'test/a.test.ts:1 imports strange: the package has no row in the table of owners',
      'src/y/b.ts:1 imports one: only src/x/, src/z/ may',
      'src/y/b.ts:1 imports new: the package has no row in the table of owners',
    ]);
    expect(unusedPackages(files, sample, owners)).toEqual([
      'gone: in the table of owners, but not in package.json',
      '@s/two: nothing uses it',
      'three: nothing uses it',
      'new: in package.json, but not in the table of owners',
      '@types/none: none is not in package.json',
    ]);
  });

  test('loose versions', () => {
    expect(
      looseVersions({ dependencies: { a: '1.2.3', b: '^1.2.3', c: 'latest', d: '1.0.0-rc.1' } }),
    ).toEqual(['b: ^1.2.3 is not an exact version', 'c: latest is not an exact version']);
  });

  test('licences and lock files', () => {
    expect(['MIT', '(MIT OR GPL-3.0)', 'MIT AND ISC'].map((text) => licenceAllowed(text))).toEqual([
      true,
      true,
      true,
    ]);
    expect(['GPL-3.0', 'MIT AND GPL-3.0', 'SEE LICENSE IN X'].map((text) => licenceAllowed(text))).toEqual([
      false,
      false,
      false,
    ]);
    const sample: Lock = {
      packages: {
        '': {},
        'node_modules/a': { license: 'GPL-3.0', integrity: 'sha512-x' },
        'node_modules/b': { license: 'GPL-3.0', dev: true, integrity: 'sha512-x' },
        'node_modules/c': {
          license: 'MIT',
          resolved: 'https://registry.example/c.tgz',
          integrity: 'sha512-x',
        },
        'node_modules/d': {},
        'node_modules/e': {
          license: 'MIT',
          integrity: 'sha512-x',
          optionalDependencies: { f: '1', a: '1', g: '1' },
        },
        'node_modules/e/node_modules/g': {
          license: 'MIT',
          integrity: 'sha512-x',
          dependencies: { a: '1', h: '1' },
        },
      },
    };
    expect(licenceViolations(sample)).toEqual([
      'node_modules/a: licence GPL-3.0 is not on the list of allowed ones',
      'node_modules/d: licence unknown is not on the list of allowed ones',
    ]);
    expect(lockViolations(sample)).toEqual([
      'node_modules/c: the lock file names where it was fetched from',
      'node_modules/d: the lock file holds no digest of it',
      'node_modules/e: the lock file lacks f, which it depends on',
      'node_modules/e/node_modules/g: the lock file lacks h, which it depends on',
    ]);
  });
});
