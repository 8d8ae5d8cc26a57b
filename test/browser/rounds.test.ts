import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { RoundDetail, RoundPoint, RunSeries } from '../../src/api/rounds.js';
import type { RunSummary } from '../../src/api/types.js';
import { unmeasured, unmeasuredDetail } from '../web/support/unmeasured.js';
import { hasChromium, openBrowser, seriousFindings, type Browser } from './support/chromium.js';
import { Federation } from './support/federation.js';

const ROUNDS = 3;

describe.skipIf(!hasChromium)('rounds on the dashboard', () => {
  let federation: Federation;
  let browser: Browser;
  let page: Page;
  let run: string;
  const complaints: string[] = [];

  beforeAll(async () => {
    federation = await Federation.start();
    federation.paceMs = 50;
    await federation.pushBundle();
    await federation.join('clinic-north', 'clinic-south', 'hospital-a');
    run = await federation.createRun('triage', ROUNDS);
    const isMeasured = async (): Promise<boolean> => {
      const { rounds } = await federation.api<RunSeries>(`/runs/${run}/series`);
      return rounds.length === ROUNDS && rounds.every(({ diagnosis }) => diagnosis === 'done');
    };
    await vi.waitUntil(isMeasured, { timeout: 60_000, interval: 200 });
    browser = await openBrowser();
    page = await browser.context.newPage();
    page.setDefaultTimeout(30_000);
    page.on('pageerror', (error) => complaints.push(error.message));
  });
  afterAll(async () => {
    await browser.close();
    await federation.close();
  });

  /** The stream as it is, but that the newest round has no diagnostics; it ends then, and the page goes on with what it knows. */
  async function streamUnmeasured(rounds: readonly RoundPoint[]): Promise<string> {
    const runs = await federation.api<RunSummary[]>('/runs');
    const newest = rounds.length - 1;
    const events = {
      hello: { nowMs: Date.now(), software: '0.1.0', instance: 'one' },
      runs,
      silos: { connected: 3, trainers: 3, known: 3, revision: 1 },
      series: {
        run,
        whole: true,
        evaluations: [],
        rounds: rounds.map((point, index) => (index === newest ? unmeasured(point) : point)),
      },
    };
    return Object.entries(events)
      .map(([name, data]) => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`)
      .join('');
  }

  /** The coordinator as it answers before the newest of these rounds is measured; resolves with what makes it itself again. */
  async function withoutDiagnostics(count: number): Promise<() => Promise<void>> {
    const { rounds } = await federation.api<RunSeries>(`/runs/${run}/series`);
    const body = await streamUnmeasured(rounds.slice(0, count));
    const detail = `**/api/v1/runs/${run}/rounds/${count}`;
    await page.route('**/api/v1/stream*', (route) =>
      route.fulfill({ contentType: 'text/event-stream', body }),
    );
    await page.route(detail, async (route) => {
      const whole = (await (await route.fetch()).json()) as RoundDetail;
      await route.fulfill({ json: unmeasuredDetail(whole) });
    });
    return () => page.unrouteAll({ behavior: 'wait' });
  }

  it('says that the newest one is being computed, and shows it when it is', async () => {
    const measured = await withoutDiagnostics(ROUNDS);
    await page.goto(`${federation.origin}/runs/${run}/alignment`);
    await page.getByRole('heading', { name: `Misalignment in round ${ROUNDS}` }).waitFor();
    await page.getByRole('heading', { name: 'Being computed' }).waitFor();
    await page.getByText('Its adapter is published already').waitFor();
    const plot = page.getByRole('group', { name: /^Aggregation error: / });
    await expect
      .poll(() => plot.getAttribute('aria-label'))
      .toMatch(/ at 2, .*round 3: being computed\. Arrow keys/);
    await plot.focus();
    await page.keyboard.press('ArrowLeft');
    await plot.getByRole('status').getByText('round 3being computed').waitFor();
    await page.getByRole('button', { name: 'Mean misalignment as a table' }).click();
    await page.getByRole('row', { name: '3 being computed' }).waitFor();
    // What silos sent is known all the same.
    await page.getByRole('table', { name: 'updates of round 3' }).getByText('clinic-north').waitFor();
    expect(await seriousFindings(page)).toEqual([]);

    await page.getByRole('link', { name: 'Adapters' }).click();
    await page.getByRole('cell', { name: 'being computed' }).waitFor();
    expect(await page.getByRole('cell', { name: 'being computed' }).count()).toBe(1);
    await page.getByRole('link', { name: 'Overview' }).click();
    await page.locator('.legend').getByText('round 3: being computed').waitFor();

    await page.getByRole('link', { name: 'Alignment' }).click();
    await measured();
    await page.getByRole('group', { name: /^Misalignment: 12 modules by 3 silos/ }).waitFor();
    await page.getByText('being computed').first().waitFor({ state: 'detached' });
    await expect.poll(() => plot.getAttribute('aria-label')).toMatch(/this run .* % at 3/);
  });

  it('has charts that wait where the only one is not measured yet', async () => {
    const measured = await withoutDiagnostics(1);
    await page.goto(`${federation.origin}/runs/${run}`);
    await page.locator('.chart-empty', { hasText: 'round 1: being computed' }).waitFor();
    await measured();
    await page.getByRole('group', { name: /^Aggregation error: / }).waitFor();
  });

  it('shows how old an update was where one was not from the newest version', async () => {
    await page.goto(`${federation.origin}/runs/${run}/alignment`);
    const updates = page.getByRole('table', { name: 'updates of round 3' });
    await updates.waitFor();
    expect(await updates.getByRole('columnheader', { name: 'Age' }).count()).toBe(0);
    const ages: Readonly<Record<string, object>> = {
      'clinic-north': { staleness: 2, stepWeight: 0.5774 },
      'hospital-a': { staleness: 0, stepWeight: 1 },
    };
    await page.route(`**/api/v1/runs/${run}/rounds/*`, async (route) => {
      const detail = (await (await route.fetch()).json()) as RoundDetail;
      const aged = detail.updates.map((update) => ({ ...update, ...ages[update.silo] }));
      await route.fulfill({ json: { ...detail, updates: aged } });
    });
    await page.reload();
    await page.getByText('3 updates · 1 not from the newest version').waitFor();
    await updates.getByRole('row', { name: /clinic-north 2 versions old × 0\.5774/ }).waitFor();
    await updates.getByRole('row', { name: /clinic-south newest/ }).waitFor();
    await updates.getByRole('row', { name: /hospital-a newest/ }).waitFor();
    expect(await seriousFindings(page)).toEqual([]);
  });

  it('breaks nothing meanwhile', () => {
    expect(complaints).toEqual([]);
  });
});
