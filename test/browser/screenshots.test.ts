import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { hasChromium, openBrowser } from './support/chromium.js';
import { Federation } from './support/federation.js';
import { picture, SCREENSHOTS } from './support/picture.js';

const SILOS = ['bank-east', 'clinic-north', 'clinic-south', 'hospital-a', 'hospital-b', 'registry'];

/** The form with late updates carried, in sight. */
async function openForm(page: Page): Promise<void> {
  await page.getByLabel('Name', { exact: true }).fill('triage-late');
  const summary = page.getByText('Late updates, and rounds that wait for nobody');
  await summary.click();
  await page.getByLabel('Late updates', { exact: true }).selectOption('carry');
  await page.getByText('Parameters trained').waitFor();
  await summary.evaluate('(element) => element.scrollIntoView()');
}

/** The updates of a round that stays: the newest changes while one looks. */
async function showUpdates(page: Page): Promise<void> {
  const slider = page.getByRole('slider');
  await slider.focus();
  await slider.press('ArrowLeft');
  const table = page.getByRole('table', { name: /^updates of round/ });
  await table.waitFor();
  await page.waitForTimeout(800);
  await table.evaluate("(element) => element.scrollIntoView({ block: 'center' })");
}

describe.skipIf(!hasChromium || SCREENSHOTS === undefined)('pictures of the dashboard', () => {
  it('are taken of a run under way', async () => {
    const federation = await Federation.start();
    const laptop = await openBrowser({ width: 1280, height: 900, scale: 1.5 });
    const phone = await openBrowser({ width: 390, height: 844, scale: 2 });
    try {
      await federation.pushBundle();
      await federation.join(...SILOS);
      await federation.joinEvaluator('test-set');
      federation.paceMs = 60;
      await federation.createRun('readmission', 2);
      const run = await federation.createRun('triage-notes', 20);
      const page = await laptop.context.newPage();
      page.setDefaultTimeout(150_000);
      await page.goto(`${federation.origin}/runs/${run}`);
      await page.locator('.glance .huge', { hasText: /^([89]|1\d)/ }).waitFor();
      federation.paceMs = 9000;
      await page.waitForTimeout(4000);
      await picture(laptop.context, page, 'all/run');
      await page.emulateMedia({ colorScheme: 'dark' });
      await picture(laptop.context, page, 'all/dark');
      await page.goto(`${federation.origin}/runs/${run}/alignment`);
      await page.locator('.heat canvas').waitFor();
      await page.emulateMedia({ colorScheme: 'light' });
      await page.waitForTimeout(800);
      await picture(laptop.context, page, 'all/alignment');
      for (const [path, name] of [
        ['/', 'runs'],
        ['/silos', 'silos'],
        ['/start', 'start'],
        ['/runs/readmission', 'finished'],
        [`/runs/${run}/adapters`, 'adapters'],
        [`/runs/${run}/events`, 'events'],
        [`/runs/${run}/specification`, 'specification'],
        ['/access', 'access'],
      ] as const) {
        await page.goto(`${federation.origin}${path}`);
        await page.getByText('Live', { exact: true }).waitFor();
        await page.waitForTimeout(1500);
        await picture(laptop.context, page, `all/${name}`);
      }
      await page.goto(`${federation.origin}/start`);
      await openForm(page);
      await picture(laptop.context, page, 'all/form');
      await page.emulateMedia({ colorScheme: 'dark' });
      await picture(laptop.context, page, 'all/form-dark');
      await page.goto(`${federation.origin}/runs/${run}/alignment`);
      await showUpdates(page);
      await picture(laptop.context, page, 'all/updates-dark');
      const small = await phone.context.newPage();
      await small.goto(`${federation.origin}/runs/${run}`);
      await small.locator('.line path').first().waitFor();
      await small.waitForTimeout(800);
      await picture(phone.context, small, 'all/phone');
      await small.goto(`${federation.origin}/silos`);
      await small.waitForTimeout(1200);
      await picture(phone.context, small, 'all/phone-silos');
      await small.goto(`${federation.origin}/start`);
      await openForm(small);
      await picture(phone.context, small, 'all/phone-form');
      await small.goto(`${federation.origin}/runs/${run}/alignment`);
      await showUpdates(small);
      await picture(phone.context, small, 'all/phone-updates');
      await small.emulateMedia({ colorScheme: 'dark' });
      for (const path of ['start', `runs/${run}/adapters`, `runs/${run}/events`, 'runs/readmission']) {
        await small.goto(`${federation.origin}/${path}`);
        await small.getByText('Live', { exact: true }).waitFor();
        await small.waitForTimeout(1500);
        await picture(phone.context, small, `all/phone-${path.split('/').at(-1)}`);
        expect(await small.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(390);
      }
    } finally {
      await laptop.close();
      await phone.close();
      await federation.close();
    }
  }, 400_000);
});
