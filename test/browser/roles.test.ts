import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasChromium, openBrowser, seriousFindings, type Browser } from './support/chromium.js';
import { Federation } from './support/federation.js';

describe.skipIf(!hasChromium)('who may do what on the dashboard', () => {
  let federation: Federation;
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    federation = await Federation.start({ http: { auth: 'token' }, security: { mode: 'tls' } });
    browser = await openBrowser();
    page = await browser.context.newPage();
    page.setDefaultTimeout(30_000);
    await page.goto(federation.origin);
  });
  afterAll(async () => {
    await browser.close();
    await federation.close();
  });

  const signIn = async (token: string): Promise<void> => {
    await page.getByRole('textbox', { name: 'Token', exact: true }).fill(token);
    await page.getByRole('button', { name: 'Sign in' }).click();
  };
  const fileToken = (name: string): string =>
    readFileSync(join(federation.folder, 'pki', name), 'utf8').trim();

  it('lets nobody in without a token, and says where one comes from', async () => {
    await page.getByRole('heading', { name: 'Sign in to main' }).waitFor();
    expect(await seriousFindings(page)).toEqual([]);
    await signIn('fedrot-http_wrong');
    await page.getByRole('alert').getByText('this token is not known here').waitFor();
    await page.getByText('Where do I get a token?').click();
    await page.getByText('pki/dashboard-token').first().waitFor();
  });

  it('shows a viewer nothing that he may not do', async () => {
    await signIn(fileToken('http-token'));
    await page.getByText('No run has been started yet').waitFor();
    expect(await page.getByRole('link', { name: 'Start a run' }).count()).toBe(0);
    expect(await page.getByRole('link', { name: 'Access' }).count()).toBe(0);
    await page.goto(`${federation.origin}/access`);
    await page.getByText('Only admins see who may join').waitFor();
    await page.goto(`${federation.origin}/start`);
    await page.getByText('Only operators start runs').waitFor();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('heading', { name: 'Sign in to main' }).waitFor();
  });

  it('lets an admin enrol a silo and let a colleague in, whose role counts', async () => {
    await signIn(fileToken('dashboard-token'));
    await page.getByRole('link', { name: 'Silos' }).click();
    await page.getByRole('button', { name: 'Enrol a silo' }).click();
    await page.getByLabel('Name').fill('hospital-a');
    await page.getByRole('button', { name: 'Make a token' }).click();
    const command = await page.getByLabel('command for the silo').innerText();
    expect(command).toMatch(
      /^fedrot enrol --coordinator 127\.0\.0\.1:\d+ --token fedrot-enrol_\S+ --fingerprint [0-9A-F:]{95}/,
    );
    await page.getByRole('button', { name: 'Done' }).click();

    await page.getByRole('link', { name: 'Access' }).click();
    await page.getByRole('row', { name: /hospital-a/ }).waitFor();
    await page.getByRole('button', { name: 'Let somebody in' }).click();
    await page.getByLabel('Name').fill('ada');
    await page.getByLabel('Role').selectOption('operator');
    await page.getByRole('button', { name: 'Make a token' }).click();
    const token = await page.getByLabel('token', { exact: true }).innerText();
    await page.getByRole('button', { name: 'Done' }).click();
    await page.getByRole('button', { name: 'Sign out' }).click();

    await signIn(token);
    await page.getByText('ada', { exact: true }).waitFor();
    await page.getByRole('link', { name: 'Runs', exact: true }).click();
    await page.getByRole('link', { name: 'Start a run' }).first().waitFor();
    expect(await page.getByRole('link', { name: 'Access' }).count()).toBe(0);
    // What is not shown is not allowed either.
    const status = await page.evaluate(() =>
      fetch('/api/v1/tokens', {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: '{"kind":"silo","name":"x"}',
      }).then((response) => response.status),
    );
    expect(status).toBe(403);
    // Scripts of the page cannot read the token.
    expect(await page.evaluate('document.cookie')).toBe('');
  });
});
