import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { Processes, type TestProcess } from '../support/processes.js';
import { cachePath, repoPath } from '../support/repo.js';
import { hasChromium, openBrowser } from './support/chromium.js';
import { picture, SCREENSHOTS } from './support/picture.js';

/** What README.md and docs/demo.md say of the demo is made from this file by `npm run docs`. */
const RESULTS = repoPath('docs/demo-results.json');
const MINUTES = 60_000;
/** A picture is taken in this round of 16. */
const PICTURED = 12;

interface Summary {
  readonly seed: number;
  readonly initial_accuracy: number;
  readonly final_accuracy: number;
  readonly rounds: readonly {
    readonly aggregation_error: number;
    readonly aggregation_error_fedit: number;
  }[];
}

function figures(summary: Summary, demo: TestProcess, scrambled: boolean, seconds: number): object {
  const majority = Number(/majority class ([\d.]+) %/.exec(demo.stdout.join('\n'))?.[1]) / 100;
  const { seed, initial_accuracy: initial, final_accuracy: final, rounds } = summary;
  return {
    scrambled,
    seed,
    seconds: Math.round(seconds),
    majority,
    initial,
    final,
    // Of the aggregation error to that of plain averaging on the same updates, round by round.
    errorRatios: rounds.map(
      (round) => Math.round((1000 * round.aggregation_error) / round.aggregation_error_fedit) / 1000,
    ),
  };
}

async function picturesOf(url: string): Promise<void> {
  const laptop = await openBrowser({ width: 1280, height: 900, scale: 1.5 });
  const phone = await openBrowser({ width: 390, height: 844, scale: 2 });
  const goToRun = async (page: Page): Promise<void> => {
    page.setDefaultTimeout(20 * MINUTES);
    await page.goto(url);
    await page.locator('a.run-card').first().click();
  };
  try {
    const page = await laptop.context.newPage();
    await goToRun(page);
    await page.locator('.glance .huge', { hasText: new RegExp(`^${PICTURED}`) }).waitFor();
    await page
      .getByRole('row', { name: /[1-8] *\/ *8/ })
      .first()
      .waitFor();
    await picture(laptop.context, page, 'run');
    await page.emulateMedia({ colorScheme: 'dark' });
    await picture(laptop.context, page, 'dark');
    await page.emulateMedia({ colorScheme: 'light' });
    await page.getByRole('link', { name: 'Alignment' }).click();
    await page.locator('.heat canvas').waitFor();
    await page.waitForTimeout(800);
    await picture(laptop.context, page, 'alignment');
    const small = await phone.context.newPage();
    await goToRun(small);
    await small.locator('.line path').first().waitFor();
    await picture(phone.context, small, 'phone');
  } finally {
    await laptop.close();
    await phone.close();
  }
}

describe.skipIf(!hasChromium || SCREENSHOTS === undefined)('the demo as it is', () => {
  it(
    'leaves its figures and pictures for the documents',
    async () => {
      const processes = new Processes();
      const folder = mkdtempSync(join(tmpdir(), 'fedrot-demo-results-'));
      const runs: object[] = [];
      try {
        for (const scrambled of [true, false]) {
          const out = join(folder, String(scrambled));
          const started = performance.now();
          const args = ['demo', '--out', out, '--cache', cachePath('demo')];
          const demo = processes.start('demo', scrambled ? [...args, '--scramble-basis'] : args);
          const [, url = ''] = await demo.line(/look at (http:\S+)/, { timeoutMs: 5 * MINUTES });
          if (scrambled) await picturesOf(url);
          expect(await demo.end(20 * MINUTES)).toEqual({ code: 0, signal: null });
          const seconds = (performance.now() - started) / 1000;
          const summary = JSON.parse(readFileSync(join(out, 'summary.json'), 'utf8')) as Summary;
          runs.push(figures(summary, demo, scrambled, seconds));
        }
        writeFileSync(RESULTS, `${JSON.stringify(runs, null, 2)}\n`);
      } finally {
        await processes.dispose();
        rmSync(folder, { recursive: true, force: true });
      }
    },
    45 * MINUTES,
  );
});
