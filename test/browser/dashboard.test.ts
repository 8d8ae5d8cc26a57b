import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AdapterVersion, RunDetail } from '../../src/api/types.js';
import { hasChromium, openBrowser, seriousFindings, type Browser } from './support/chromium.js';
import { Federation } from './support/federation.js';

if (!hasChromium)
  console.warn('without Chromium (Debian: apt-get install chromium) the dashboard is not tested');

describe.skipIf(!hasChromium)('the dashboard', () => {
  let federation: Federation;
  let browser: Browser;
  let page: Page;
  /** What the page complained of, and whom it asked beside the coordinator. */
  const complaints: string[] = [];
  const foreign: string[] = [];

  beforeAll(async () => {
    federation = await Federation.start();
    await federation.pushBundle();
    browser = await openBrowser();
    page = await browser.context.newPage();
    page.setDefaultTimeout(30_000);
    page.on('console', (message) => {
      // A browser logs every request that fails, and requests fail while the coordinator is away.
      if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
        complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('request', (request) => {
      if (!request.url().startsWith(federation.origin)) foreign.push(request.url());
    });
  });
  afterAll(async () => {
    await browser.close();
    await federation.close();
  });

  it('is small: the first load stays under 300 kB compressed', async () => {
    const session = await browser.context.newCDPSession(page);
    await session.send('Network.enable');
    let bytes = 0;
    session.on('Network.loadingFinished', ({ encodedDataLength }) => (bytes += encodedDataLength));
    await page.goto(federation.origin);
    await page.getByRole('heading', { name: 'Runs', level: 1 }).waitFor();
    await page.getByText('No run has been started yet').waitFor();
    await session.detach();
    console.log(`first load: ${(bytes / 1000).toFixed(1)} kB compressed`);
    expect(bytes).toBeGreaterThan(10_000);
    expect(bytes).toBeLessThan(300_000);
  });

  it('starts a run from its form, checked by the run specification, and shows it live to its end', async () => {
    await federation.join('clinic-north', 'clinic-south', 'hospital-a');
    await federation.joinEvaluator('test-set');
    await page.getByRole('link', { name: 'Start a run' }).first().click();
    await page.getByLabel('Rank').fill('0');
    await page.getByText('must be at least 1').waitFor();
    await page.getByLabel('Rank').fill('4');
    await page.getByLabel('Name', { exact: true }).fill('No Such Name');
    await page.getByText('must be 1 to 63 of a-z').waitFor();
    await page.getByRole('button', { name: 'Start the run' }).click();
    expect(await federation.api('/runs')).toEqual([]);
    await page.getByLabel('Name', { exact: true }).fill('triage');
    await page.getByLabel('Rounds', { exact: true }).fill('4');
    await page.getByText('Late updates, and rounds that wait for nobody').click();
    const age = page.getByLabel('Versions old at most');
    await expect.poll(() => age.isDisabled()).toBe(true);
    await page.getByText('no update counts late').first().waitFor();
    await page.getByLabel('Late updates', { exact: true }).selectOption('carry');
    await age.fill('0');
    await page.getByText('1 field to mend').waitFor();
    await page.getByLabel('Mode', { exact: true }).selectOption('async');
    await expect.poll(() => page.getByLabel('Late updates', { exact: true }).isDisabled()).toBe(true);
    await page.getByText('in asynchronous rounds no update is late').waitFor();
    await page.getByLabel('Mode', { exact: true }).selectOption('sync');
    await age.fill('2');
    await page.getByLabel('Share of a silo’s time').fill('2.5');
    await page.getByText('Parameters trained').waitFor();
    await page.getByRole('button', { name: 'Start the run' }).click();
    await page.getByRole('heading', { name: /triage/, level: 1 }).waitFor();
    const marker = 'window.notLoadedAgain = true';
    await page.evaluate(marker);
    await page.getByRole('row', { name: /clinic-north/ }).waitFor();
    await page.locator('.glance .huge', { hasText: '2' }).waitFor();
    await page.locator('h1 .badge', { hasText: 'finished' }).waitFor({ timeout: 60_000 });
    await page.locator('.glance .huge', { hasText: /4\s*\/ 4/ }).waitFor();
    expect(await page.evaluate('window.notLoadedAgain')).toBe(true);
    expect((await federation.api<RunDetail>('/runs/triage')).spec).toMatchObject({
      share: 2.5,
      rounds: { mode: 'sync', late: 'carry', staleness: { max: 2 } },
    });
  });

  it('draws what rounds brought, and says it in words and tables too', async () => {
    await page.getByRole('button', { name: 'Accuracy as a table' }).click();
    const rows = page.getByRole('region', { name: 'Accuracy, values' }).getByRole('row');
    await expect.poll(() => rows.count()).toBe(1 + 5);
    // A round is measured after it is published: the run may have finished before the figures of its last round are there.
    const plot = page.getByRole('group', {
      name: /^Aggregation error: this run .* % at 4, plain averaging .* % at 4/,
    });
    await plot.waitFor();
    await plot.focus();
    await page.keyboard.press('ArrowLeft');
    await plot.getByRole('status').getByText('round 4').waitFor();

    await page.getByRole('link', { name: 'Alignment' }).click();
    await page.getByRole('heading', { name: 'Misalignment in round 4' }).waitFor();
    const map = page.getByRole('group', { name: /^Misalignment: 12 modules by 3 silos/ });
    await map.focus();
    await page.keyboard.press('ArrowRight');
    await page.locator('.heat-foot').getByText('clinic-north').waitFor();
  });

  it('gives an adapter away with its card, compares versions, and rolls back', async () => {
    await page.getByRole('link', { name: 'Adapters' }).click();
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'Download version 4' }).first().click(),
    ]);
    const zip = await readFile(await download.path());
    const versions = await federation.api<AdapterVersion[]>('/runs/triage/adapters');
    // Stored as it is: a local header of 30 bytes, the name, the file (APPNOTE 6.3.10, 4.3.7).
    const name = 'triage-v4/adapter_model.safetensors';
    const at = zip.indexOf(name) + name.length + zip.readUInt16LE(zip.indexOf(name) - 2);
    const file = zip.subarray(at, at + (versions[4]?.bytes ?? 0));
    expect(createHash('sha256').update(file).digest('hex')).toBe(versions[4]?.sha256);
    expect(zip.includes('## Provenance')).toBe(true);

    await page.getByRole('button', { name: 'Model card of version 4' }).click();
    await page.getByRole('dialog').getByText('examples in 3 silos').waitFor();
    await page.keyboard.press('Escape');
    await page.getByText('Cosine').first().waitFor();
    await page.getByRole('button', { name: 'Roll back to version 2' }).click();
    await page.getByLabel('Reason').fill('version 4 was worse');
    await page.getByRole('button', { name: 'Publish version 2 again' }).click();
    await page.getByText('again 2').waitFor();
    await page.getByRole('link', { name: 'Events' }).click();
    await page.getByText('version 2 is published again as version 5').waitFor();
  });

  it('says that it is disconnected, and recovers when the coordinator is back', async () => {
    federation.paceMs = 1500;
    const run = await federation.createRun('long', 50, { evaluation: { every: 0 } });
    await page.getByRole('link', { name: 'Runs', exact: true }).click();
    await page.getByRole('link', { name: run }).first().click();
    await page.locator('.glance .huge', { hasText: /^[1-9]/ }).waitFor();
    await page.evaluate('window.notLoadedAgain = 2');
    await federation.stopCoordinator();
    await page.getByText('The coordinator does not answer.').waitFor();
    await page.getByText('Disconnected').first().waitFor();
    expect(await page.locator('.glance .huge').innerText()).toMatch(/^\d+/);
    await federation.startCoordinator();
    await federation.join('clinic-north', 'clinic-south', 'hospital-a');
    await page.getByText('The coordinator does not answer.').waitFor({ state: 'detached' });
    await page.getByText('Live', { exact: true }).waitFor();
    const before = await page.locator('.glance .huge').innerText();
    await expect.poll(() => page.locator('.glance .huge').innerText(), { timeout: 60_000 }).not.toBe(before);
    expect(await page.evaluate('window.notLoadedAgain')).toBe(2);
  });

  it('pauses, resumes and stops a run, each asked for once more or told', async () => {
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Pause' }).click();
    await page.getByRole('button', { name: 'Resume' }).click();
    await page.getByRole('button', { name: 'Pause' }).waitFor();
    await page.getByRole('button', { name: 'Stop' }).click();
    await page.getByRole('dialog').getByLabel('Reason').fill('seen enough');
    await page.getByRole('button', { name: 'Stop the run' }).click();
    await page.locator('h1 .badge', { hasText: 'stopped' }).waitFor();
    await page.getByText('seen enough').first().waitFor();
  });

  it('has no serious finding of axe on any page, in light and in dark', async () => {
    const paths = ['/', '/runs/triage', '/runs/triage/alignment', '/runs/triage/adapters'];
    const more = [
      '/runs/triage/events',
      '/runs/triage/specification',
      '/silos',
      '/access',
      '/start',
      '/none',
    ];
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      for (const path of [...paths, ...more]) {
        await page.goto(`${federation.origin}${path}`);
        await page.getByText('Live', { exact: true }).waitFor();
        await page.locator('.loading').first().waitFor({ state: 'detached' });
        expect([colorScheme, path, await seriousFindings(page)]).toEqual([colorScheme, path, []]);
      }
    }
    await page.emulateMedia({ colorScheme: null });
  });

  it('can be used with the keyboard alone', async () => {
    await page.goto(federation.origin);
    await page.getByRole('link', { name: 'triage' }).first().waitFor();
    await page.keyboard.press('Tab');
    await expect.poll(() => page.evaluate('document.activeElement.textContent')).toBe('Skip to the page');
    await page.getByRole('link', { name: 'Silos' }).focus();
    await page.keyboard.press('Enter');
    const heading = page.getByRole('heading', { name: 'Silos', level: 1 });
    await heading.waitFor();
    await expect.poll(() => page.evaluate('document.activeElement.tagName')).toBe('H1');
    await page.getByRole('button', { name: 'Enrol a silo' }).press('Enter');
    await page.getByRole('dialog').getByText('nobody has to enrol').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
  });

  it('asks nobody else, and complains of nothing', () => {
    expect(foreign).toEqual([]);
    expect(complaints).toEqual([]);
  });
});
