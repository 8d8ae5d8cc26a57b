import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { repoPath, repoRoot } from '../support/repo.js';

function fuzz(...args: string[]): Promise<{ code: number; out: string }> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [repoPath('scripts/fuzz.mjs'), ...args],
      { cwd: repoRoot, timeout: 280_000, maxBuffer: 16 * 2 ** 20 },
      (error, stdout, stderr) =>
        resolve({
          code: typeof error?.code === 'number' ? error.code : error ? -1 : 0,
          out: stdout + stderr,
        }),
    );
  });
}

/** The line at the end; warnings of Node may come behind it. */
const summary = (out: string): unknown => JSON.parse(/^\{"inputs".*\}$/m.exec(out)?.[0] ?? '');

test('a few thousand inputs at every parser that meets bytes from outside find nothing', async () => {
  const { code, out } = await fuzz('--inputs', '6000', '--hang-ms', '60000');
  expect(out).not.toMatch(/FAILED/);
  expect(summary(out)).toMatchObject({ findings: 0, seed: 1 });
  expect((summary(out) as { inputs: number }).inputs).toBeGreaterThanOrEqual(6000);
  expect(code).toBe(0);
}, 300_000);

const broken: readonly [what: string, told: RegExp][] = [
  ['throws', /TypeError: Cannot read properties of null/],
  ['hangs', /hang: no answer within 3000 ms/],
  ['keeps', /memory: \d+ MiB more are in use/],
  ['ends', /the process ended \(0\)/],
];
for (const [what, told] of broken)
  test(`the fuzzer finds what ${what}`, async () => {
    const { code, out } = await fuzz('--only', `broken: ${what}`, '--inputs', '400', '--hang-ms', '3000');
    expect(out).toMatch(told);
    expect(code).toBe(1);
    if (what === 'throws') expect(existsSync(repoPath('.cache/fuzz'))).toBe(true);
  }, 120_000);

test('the same seed gives the same inputs', async () => {
  // Of a target whose corpus is the same every time.
  const runs = [
    await fuzz('--only', 'csv', '--inputs', '300'),
    await fuzz('--only', 'csv', '--inputs', '300'),
  ];
  const refused = runs.map(({ out }) => /(\d+) refused/.exec(out)?.[1]);
  expect(refused[0]).toBe(refused[1]);
  expect(Number(refused[0])).toBeGreaterThan(10);
}, 120_000);
