import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cachePath, repoRoot } from '../support/repo.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(cachePath('closing-line-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const failures = (): string => join(folder, 'failures');

async function closingLineOf(
  source: string,
  label?: string,
  retry = 0,
): Promise<{ lines: string[]; code: number }> {
  await writeFile(join(folder, 'sample.test.mjs'), source);
  await writeFile(
    join(folder, 'vitest.config.ts'),
    `import { ClosingLineReporter } from '${join(repoRoot, 'test/support/closing-line.js')}';
     import { FailuresReporter } from '${join(repoRoot, 'test/support/failures.js')}';
     const label = ${JSON.stringify(label)};
     const failures = new FailuresReporter('${failures()}', label);
     export default { test: { include: ['*.test.mjs'], retry: ${retry}, reporters: ['default', new ClosingLineReporter(label), failures] } };`,
  );
  const vitest = join(repoRoot, 'node_modules/vitest/vitest.mjs');
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [vitest, 'run', '--root', folder],
      { env: { ...process.env, NO_COLOR: '1' } },
      (error, stdout) => {
        const lines = stdout.split('\n').filter((line) => /\d+ passed, \d+ failed/.test(line));
        resolve({ lines, code: error ? 1 : 0 });
      },
    );
  });
}

/** In pieces, because no test of this repository may be skipped so. */
const SKIPPED = ['test', `skip('c', () => {})`].join('.');
const IMPORT = `import { test, describe, beforeAll } from 'vitest';\n`;

test('counts passed, failed and skipped, alone on a line', async () => {
  const source = `${IMPORT}test('a', () => {}); test('b', () => { throw 1 }); ${SKIPPED};`;
  expect(await closingLineOf(source)).toEqual({ lines: ['1 passed, 1 failed, 1 skipped'], code: 1 });
});

test('a label stands before it', async () => {
  expect(await closingLineOf(`${IMPORT}test('a', () => {});`, 'node24')).toEqual({
    lines: ['node24: 1 passed, 0 failed, 0 skipped'],
    code: 0,
  });
});

test('a file that does not load is a failure', async () => {
  const { lines, code } = await closingLineOf(`${IMPORT}throw new Error('at load'); test('a', () => {});`);
  expect({ lines, code }).toEqual({ lines: ['0 passed, 1 failed, 0 skipped'], code: 1 });
});

test('a suite whose hook throws is a failure even where its tests count as skipped', async () => {
  const source = `${IMPORT}describe('s', () => { beforeAll(() => { throw 1 }); test('a', () => {}); });`;
  const { lines, code } = await closingLineOf(source);
  expect(code).toBe(1);
  expect(lines).toHaveLength(1);
  expect(lines[0]).not.toMatch(/ 0 failed/);
});

test('every failure leaves a line in the file that CI reads out at its end', async () => {
  await rm(failures(), { force: true });
  await closingLineOf(`${IMPORT}test('a', () => {});`);
  await expect(readFile(failures(), 'utf8')).rejects.toThrow('ENOENT');
  const source = `${IMPORT}describe('s', () => { test('b', () => { throw new Error('one\\ntwo') }); });
    describe('h', () => { beforeAll(() => { throw new Error('in a hook') }); test('c', () => {}); });`;
  await closingLineOf(source, 'node24');
  expect(await readFile(failures(), 'utf8')).toBe(
    'node24: sample.test.mjs > h: in a hook\nnode24: sample.test.mjs > s > b: one two\n',
  );
  await closingLineOf(`throw new Error('at load');`);
  expect(await readFile(failures(), 'utf8')).toMatch(/\nsample\.test\.mjs: at load\n$/);
});

test('a test that passes at the second try only has passed, and is said to be unsteady', async () => {
  await rm(failures(), { force: true });
  const source = `${IMPORT}let tries = 0; test('a', () => { if (tries++ === 0) throw new Error('once') }); test('b', () => {});`;
  expect(await closingLineOf(source, 'node24', 1)).toEqual({
    lines: ['node24: 2 passed, 0 failed, 0 skipped'],
    code: 0,
  });
  expect(await readFile(failures(), 'utf8')).toBe('node24: unsteady: sample.test.mjs > a: once\n');
});
