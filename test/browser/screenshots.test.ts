import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { BrowserContext, Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { hasChromium, openBrowser } from './support/chromium.js';
import { Federation } from './support/federation.js';

/** Where pictures go; only then are they taken: `FEDROT_SCREENSHOTS=docs/images npx vitest run --project browser screenshots`. */
const FOLDER = process.env.FEDROT_SCREENSHOTS;

const SILOS = ['bank-east', 'clinic-north', 'clinic-south', 'hospital-a', 'hospital-b', 'registry'];

/** A picture of the page as WebP, which the browser itself makes of it. */
async function picture(context: BrowserContext, page: Page, name: string): Promise<void> {
  const png = (await page.screenshot()).toString('base64');
  const blank = await context.newPage();
  const webp = await blank.evaluate<string>(`(async () => {
    const bytes = Uint8Array.from(atob(${JSON.stringify(png)}), (c) => c.charCodeAt(0));
    const image = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
    const canvas = new OffscreenCanvas(image.width, image.height);
    canvas.getContext('2d').drawImage(image, 0, 0);
    const blob = await canvas.convertToBlob({ type: 'image/webp', quality: 0.82 });
    const out = new Uint8Array(await blob.arrayBuffer());
    return btoa(Array.from(out, (byte) => String.fromCharCode(byte)).join(''));
  })()`);
  await blank.close();
  const path = join(FOLDER ?? '', `${name}.webp`);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, Buffer.from(webp, 'base64'));
}

describe.skipIf(!hasChromium || FOLDER === undefined)('pictures of the dashboard', () => {
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
      await picture(laptop.context, page, 'run');
      await page.emulateMedia({ colorScheme: 'dark' });
      await picture(laptop.context, page, 'dark');
      await page.goto(`${federation.origin}/runs/${run}/alignment`);
      await page.locator('.heat canvas').waitFor();
      await page.emulateMedia({ colorScheme: 'light' });
      await page.waitForTimeout(800);
      await picture(laptop.context, page, 'alignment');
      for (const [path, name] of [
        ['/', 'runs'],
        ['/silos', 'silos'],
        ['/start', 'start'],
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
      const small = await phone.context.newPage();
      await small.goto(`${federation.origin}/runs/${run}`);
      await small.locator('.line path').first().waitFor();
      await small.waitForTimeout(800);
      await picture(phone.context, small, 'phone');
      await small.goto(`${federation.origin}/silos`);
      await small.waitForTimeout(1200);
      await picture(phone.context, small, 'all/phone-silos');
      expect(await small.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(390);
    } finally {
      await laptop.close();
      await phone.close();
      await federation.close();
    }
  }, 400_000);
});
