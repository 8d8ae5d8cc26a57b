import { execFile } from 'node:child_process';
import { expect, test } from 'vitest';
import { repoPath, repoRoot } from '../support/repo.js';

interface Row {
  readonly part: string;
  readonly complete?: boolean;
}

function bench(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [repoPath('bench/coordinator.mjs'), ...args],
      { cwd: repoRoot, timeout: 280_000 },
      (error, out, err) =>
        resolve({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, out, err }),
    );
  });
}

test('every part of bench:coordinator runs in its quick form; how fast is no matter here', async () => {
  const { code, out, err } = await bench('--quick');
  expect(err).not.toMatch(/Error/);
  expect(code).toBe(0);
  const rows = out
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Row);
  const parts = [...new Set(rows.map(({ part }) => part))];
  expect(parts).toEqual(['kernels', 'durable', 'memory', 'link', 'thousand', 'overhead']);
  expect(rows.find(({ part }) => part === 'thousand')?.complete).toBe(true);
}, 300_000);

test('a part that does not exist is named', async () => {
  const { code, err } = await bench('--only', 'nothing');
  expect(code).toBe(2);
  expect(err).toMatch(/no part is called nothing; there are kernels, durable/);
});
