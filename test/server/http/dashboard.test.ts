import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, it, onTestFinished } from 'vitest';
import { silentLogger } from '../../../src/log.js';
import { createDashboard } from '../../../src/server/http/dashboard.js';
import { createHttpApp } from '../../../src/server/http.js';

function app() {
  const folder = mkdtempSync(join(tmpdir(), 'fedrot-web-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, 'assets'));
  writeFileSync(join(folder, 'index.html'), '<p>page</p>');
  writeFileSync(join(folder, 'assets/a-1234.js'), 'code'.repeat(100));
  writeFileSync(join(folder, 'assets/a-1234.js.gz'), gzipSync('code'.repeat(100)));
  return createHttpApp({
    logger: silentLogger,
    metrics: async () => ({ body: 'm 1\n', contentType: 'text/plain' }),
    notReady: async () => [],
    dashboard: createDashboard(folder),
  });
}

it('serves files that never change compressed and for ever, and the page for every other path', async () => {
  const served = app();
  const script = await served.request('/assets/a-1234.js', { headers: { 'accept-encoding': 'gzip' } });
  expect(script.headers.get('content-encoding')).toBe('gzip');
  expect(script.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
  for (const path of ['/', '/runs/mail', '/silos']) {
    const page = await served.request(path);
    expect([path, page.status, await page.text()]).toEqual([path, 200, '<p>page</p>']);
    expect(page.headers.get('cache-control')).toBe('no-cache');
  }
  expect((await served.request('/assets/gone.js')).status).toBe(404);
  expect(await (await served.request('/metrics')).text()).toBe('m 1\n');
  expect((await served.request('/../package.json')).headers.get('content-type')).toContain('text/html');
});

it('lets a page load nothing from elsewhere and nobody frame it', async () => {
  const { headers } = await app().request('/');
  expect(headers.get('content-security-policy')).toBe(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
  );
  expect(headers.get('x-content-type-options')).toBe('nosniff');
  expect(headers.get('referrer-policy')).toBe('no-referrer');
});
