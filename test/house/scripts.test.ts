import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { repoPath, repoRoot } from '../support/repo.js';

// The scripts are plain JavaScript: they run before anything is installed.
const load = (name: string): Promise<Record<string, (...args: unknown[]) => unknown>> =>
  import(repoPath('scripts', name)) as Promise<Record<string, (...args: unknown[]) => unknown>>;

const folder = mkdtempSync(join(tmpdir(), 'fedrot-scripts-'));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe('the oldest Node', () => {
  test('is the one of package.json, and older ones are told so', async () => {
    const { nodeTooOld } = await load('node-version.mjs');
    const verdicts = ['18.20.8', '20.18.3', '20.19.0', '22.1.0', '24.0.0'].map((version) =>
      nodeTooOld!(repoRoot, version) === undefined ? 'runs' : 'too old',
    );
    expect(verdicts).toEqual(['too old', 'too old', 'runs', 'runs', 'runs']);
    expect(nodeTooOld!(repoRoot, '18.20.8')).toBe(
      'fedrot needs Node.js >=20.19; this is 18.20.8. Install a newer one from https://nodejs.org and try again.',
    );
  });
});

describe('the state of the packages', () => {
  const locked = {
    '': { version: '1.0.0' },
    'node_modules/a': { version: '1.0.0', integrity: 'sha512-a' },
    'node_modules/mac-only': { version: '1.0.0', integrity: 'sha512-m', optional: true },
  };
  async function stateWith(installed: Record<string, unknown> | undefined): Promise<unknown> {
    const { packagesState } = await load('packages.mjs');
    const root = mkdtempSync(join(folder, 'packages-'));
    writeFileSync(join(root, 'package-lock.json'), JSON.stringify({ packages: locked }));
    if (installed) {
      mkdirSync(join(root, 'node_modules'));
      writeFileSync(join(root, 'node_modules/.package-lock.json'), JSON.stringify({ packages: installed }));
    }
    return packagesState!(root);
  }

  test('is judged by what is installed, not by when', async () => {
    expect(await stateWith(undefined)).toBe('missing');
    expect(await stateWith({ 'node_modules/a': locked['node_modules/a'] })).toBe('ready');
    expect(await stateWith({})).toBe('stale');
    expect(await stateWith({ 'node_modules/a': { version: '1.0.1', integrity: 'sha512-b' } })).toBe('stale');
    const otherBytes = { version: '1.0.0', integrity: 'sha512-x' };
    expect(await stateWith({ 'node_modules/a': otherBytes })).toBe('stale');
  });
});

describe('the lock between npm commands', () => {
  const script = `
    import { appendFileSync } from 'node:fs';
    import { withLock } from ${JSON.stringify(repoPath('scripts/lock.mjs'))};
    const [, lock, log, name] = process.argv;
    withLock(lock, () => {
      appendFileSync(log, name + ' in\\n');
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
      appendFileSync(log, name + ' out\\n');
    });`;
  const start = (lock: string, log: string, name: string): Promise<number | null> =>
    new Promise((resolve) => {
      const child = spawn(process.execPath, ['--input-type=module', '-e', script, '--', lock, log, name]);
      child.once('exit', resolve);
    });

  test('lets one in at a time', async () => {
    const lock = join(folder, 'one.lock');
    const log = join(folder, 'one.log');
    const codes = await Promise.all(['a', 'b', 'c'].map((name) => start(lock, log, name)));
    expect(codes).toEqual([0, 0, 0]);
    const lines = readFileSync(log, 'utf8').trim().split('\n');
    expect(lines).toHaveLength(6);
    for (let i = 0; i < 6; i += 2) expect(lines[i + 1]).toBe(lines[i]!.replace('in', 'out'));
    expect(existsSync(lock)).toBe(false);
  });

  test('is taken over from a process that has died, and after a long time from any', async () => {
    const dead = join(folder, 'dead.lock');
    const gone = spawn(process.execPath, ['-e', '']);
    await new Promise((resolve) => gone.once('exit', resolve));
    writeFileSync(dead, String(gone.pid));
    expect(await start(dead, join(folder, 'dead.log'), 'a')).toBe(0);

    const old = join(folder, 'old.lock');
    writeFileSync(old, String(process.pid));
    const anHourAgo = Date.now() / 1000 - 3600;
    utimesSync(old, anHourAgo, anHourAgo);
    expect(await start(old, join(folder, 'old.log'), 'a')).toBe(0);
  });
});

describe('generated parts of documents', () => {
  test('are filled, more than once and from empty, and an unknown one is refused', async () => {
    const { fillRegions } = await load('docs/regions.mjs');
    const text =
      'a\n<!-- generated: x -->\n<!-- end generated -->\nb\n<!-- generated: y -->\nold\n<!-- end generated -->\n';
    const generators = { x: () => 'X', y: () => 'Y' };
    const once = fillRegions!(text, generators, 'f.md') as string;
    expect(once).toBe(
      'a\n<!-- generated: x -->\n\nX\n\n<!-- end generated -->\nb\n<!-- generated: y -->\n\nY\n\n<!-- end generated -->\n',
    );
    expect(fillRegions!(once, generators, 'f.md')).toBe(once);
    expect(() => fillRegions!(text, { x: () => 'X' }, 'f.md')).toThrow('f.md: no generator is called y');
  });

  test('a key of a schema without a description is refused', async () => {
    const { schemaTables } = await load('docs/schema-tables.mjs');
    const schema = {
      type: 'object',
      properties: { a: { type: 'integer', minimum: 1, default: 2, description: 'what' } },
    };
    expect(schemaTables!(schema)).toContain('| `a` | integer, ≥ 1 | `2` | what |');
    expect(() => schemaTables!({ type: 'object', properties: { b: { type: 'string' } } })).toThrow(
      'no description in the schema: b',
    );
  });
});
