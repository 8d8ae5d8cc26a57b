import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { BrowserContext, Page } from 'playwright-core';

/**
 * Where pictures go; only then are they taken. Those of the documents: `FEDROT_SCREENSHOTS=docs/images npx vitest run --project browser
 * demo-results`; of every page, to look at: `FEDROT_SCREENSHOTS=/tmp/pictures npx vitest run --project browser screenshots`.
 */
export const SCREENSHOTS = process.env.FEDROT_SCREENSHOTS;

/** A picture of the page as WebP, which the browser itself makes of it. */
export async function picture(context: BrowserContext, page: Page, name: string): Promise<void> {
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
  const path = join(SCREENSHOTS ?? '', `${name}.webp`);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, Buffer.from(webp, 'base64'));
}
