import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { hasChromium, openBrowser, type Browser } from '../browser/support/chromium.js';
import { picture, SCREENSHOTS } from '../browser/support/picture.js';
import { commandsOf } from '../docs/support/blocks.js';
import { freePort } from '../support/e2e.js';
import { repoPath } from '../support/repo.js';
import { BASE, BUILDAH_ENV, IMAGES, possible, sizeOf } from './support/images.js';

const PAGE = 'docs/first-federation.md';
/** What the page says of what was seen is made from this file by `npm run docs`; written where pictures are taken too. */
const RESULTS = repoPath('docs/first-federation-results.json');
const text = readFileSync(repoPath(PAGE), 'utf8');
const commands = commandsOf(PAGE, text);

if (!hasChromium) process.stderr.write('fedrot: the newcomer needs Chromium (node scripts/chromium.mjs)\n');

/** The table of the page: field and value, as one types them into the form. */
const fields = [...text.matchAll(/^\| ([A-Z][^|]*?) +\| `([^`]+)` +\|$/gm)].map(
  ([, field = '', value = '']) => [field, value] as const,
);
const [, more = ''] = /```json\n([^]*?)```/.exec(text) ?? [];

/** `accuracy   0.9325` → 0.9325 */
const accuracyOf = (printed: string): number => Number(/^accuracy +(\S+)$/m.exec(printed)?.[1]);

describe.skipIf(!possible || !hasChromium)('a newcomer, from docs/first-federation.md alone', () => {
  const folder = possible ? mkdtempSync(join(tmpdir(), 'fedrot-newcomer-')) : '';
  const context = inject('context');
  const done: string[] = [];
  const printed = new Map<string, string>();
  let environment: NodeJS.ProcessEnv;
  let ports = { grpc: 0, http: 0 };
  let browser: Browser;
  let page: Page;

  const here = (command: string): string =>
    command
      .replaceAll(':9470', `:${ports.grpc}`)
      .replaceAll('9471', String(ports.http))
      // Inside, the coordinator is not at its usual port either.
      .replace(/^docker exec coordinator fedrot .*$/, `$& --coordinator localhost:${ports.grpc}`)
      .replace(/^(docker build .*) \.$/, `$1 ${context || repoPath('.')}`);

  const run = (command: string, replaced = command): string => {
    const { status, stdout, stderr } = spawnSync('sh', ['-c', here(replaced)], {
      cwd: folder,
      encoding: 'utf8',
      env: environment,
      timeout: 600_000,
      maxBuffer: 64 * 2 ** 20,
    });
    done.push(command);
    printed.set(command, stdout);
    expect(status, `${command}\n${`${stdout}${stderr}`.slice(-3000)}`).toBe(0);
    return stdout;
  };
  const of = (section: string): string[] =>
    commands.filter((command) => command.section === section).map((command) => command.text);

  beforeAll(async () => {
    ports = { grpc: await freePort(), http: await freePort() };
    const bin = join(folder, 'bin');
    mkdirSync(bin);
    const shim = repoPath('test/images/support/docker.mjs');
    writeFileSync(join(bin, 'docker'), `#!/bin/sh\nexec "${process.execPath}" "${shim}" "$@"\n`, {
      mode: 0o755,
    });
    environment = {
      ...BUILDAH_ENV,
      PATH: `${bin}${delimiter}${process.env.PATH ?? ''}`,
      REHEARSAL_FOLDER: join(folder, 'docker'),
      REHEARSAL_HOSTS: 'coordinator',
      REHEARSAL_BUILT: context === '' ? '1' : '',
      REHEARSAL_ENV: JSON.stringify({
        FEDROT_GRPC_PORT: ports.grpc,
        FEDROT_HTTP_PORT: ports.http,
        FEDROT_METRICS_PORT: 0,
        FEDROT_LOG_FORMAT: 'json',
        FEDROT_THREADS: 1,
      }),
    };
    browser = await openBrowser();
    page = await browser.context.newPage();
    page.setDefaultTimeout(60_000);
  }, 120_000);
  afterAll(async () => {
    await browser.close();
    for (const command of of('Afterwards')) if (!done.includes(command)) run(command);
    rmSync(folder, { recursive: true, force: true });
  }, 120_000);

  test('builds the images and unpacks the sample', () => {
    for (const command of of('Images')) run(command);
  }, 1_800_000);

  test('starts a coordinator and signs in to its dashboard', async () => {
    const [network = '', start = '', push = '', show = ''] = of('Coordinator');
    run(network);
    run(start);
    await expect
      .poll(
        () =>
          fetch(`http://localhost:${ports.http}/readyz`).then(
            ({ ok }) => ok,
            () => false,
          ),
        {
          timeout: 60_000,
        },
      )
      .toBe(true);
    expect(run(push)).toMatch(/bundle [0-9a-f]{64} sent/);
    const token = run(show).trim();
    await page.goto(`http://localhost:${ports.http}`);
    await page.getByLabel('Token').fill(token);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('No run has been started yet').waitFor();
  }, 180_000);

  test('enrols two silos and starts their daemons', async () => {
    const [enrolA = '', enrolB = '', startA = '', startB = '', doctor = ''] = of('Silos');
    for (const [name, command] of [
      ['hospital-a', enrolA],
      ['hospital-b', enrolB],
    ] as const) {
      await page
        .getByRole('navigation')
        .getByRole('link', { name: /^Silos/ })
        .click();
      await page.getByRole('button', { name: 'Enrol a silo' }).click();
      await page.getByLabel('Name').fill(name);
      await page.getByRole('button', { name: 'Make a token' }).click();
      const told = await page.getByLabel('command for the silo').innerText();
      await page.getByRole('button', { name: 'Done' }).click();
      const [, address, token = '', fingerprint = ''] =
        /--coordinator (\S+) --token (\S+) --fingerprint (\S+)/.exec(told) ?? [];
      expect(address).toBe(`coordinator:${ports.grpc}`);
      const said = run(command, command.replace(/TOKEN-[AB]/, token).replace('FINGERPRINT', fingerprint));
      expect(said).toContain(`enrolled as silo ${name}`);
    }
    run(startA);
    run(startB);
    expect(run(doctor)).toContain('certificate');
    for (const name of ['hospital-a', 'hospital-b'])
      await page
        .getByRole('row', { name: new RegExp(name) })
        .getByText('connected')
        .waitFor();
  }, 300_000);

  test('starts a run from the dashboard and watches it to its end', async () => {
    await page.getByRole('link', { name: 'Runs', exact: true }).click();
    await page.getByRole('link', { name: 'Start a run' }).first().click();
    expect(fields.map(([field]) => field)).toContain('Learning rate');
    for (const [field, value] of fields) {
      const control = page.getByLabel(field, { exact: true });
      if ((await control.evaluate((node: { tagName: string }) => node.tagName)) === 'SELECT')
        await control.selectOption(value);
      else await control.fill(value);
    }
    await page.getByText('Everything else, as JSON').click();
    await page.getByLabel('Merged over the form').fill(more);
    await page.getByText('Parameters trained').waitFor();
    await page.getByRole('button', { name: 'Start the run' }).click();
    await page.getByRole('heading', { name: /mail/, level: 1 }).waitFor();
    await page.evaluate('window.notLoadedAgain = true');
    // It moves: steps of a silo within a round, then the round.
    await page.getByRole('row', { name: /hospital-a.*[1-8] *\/ *8/ }).waitFor();
    await page.locator('.glance .huge', { hasText: /^3/ }).waitFor({ timeout: 240_000 });
    if (SCREENSHOTS !== undefined) await picture(browser.context, page, 'first-federation');
    await page.locator('h1 .badge', { hasText: 'finished' }).waitFor({ timeout: 300_000 });
    expect(await page.evaluate('window.notLoadedAgain')).toBe(true);
  }, 600_000);

  test('takes the adapter home, reads its card and uses it', async () => {
    await page.getByRole('link', { name: 'Adapters' }).click();
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'Download version 6' }).first().click(),
    ]);
    expect(download.suggestedFilename()).toBe('mail-v6.zip');
    await download.saveAs(join(folder, 'mail-v6.zip'));
    const [unzip = '', before = '', after = '', merge = ''] = of('The adapter');
    run(unzip);
    const card = readFileSync(join(folder, 'mail-v6/README.md'), 'utf8');
    for (const part of [
      /examples in 2 silos/,
      /\| hospital-a \| [\d,]+ \| 6 \|/,
      /\| aggregation \| fedrot, weighted by uniform \|/,
      /\| rounds \| 6 of 6 \|/,
      /mean training loss 0\.\d+/,
      /bundle of the base model \| `[0-9a-f]{64}`/,
      /base_model: "sentence-transformers\/all-MiniLM-L6-v2"/,
    ])
      expect(card).toMatch(part);
    const [untrained, trained] = [accuracyOf(run(before)), accuracyOf(run(after))];
    process.stderr.write(
      `accuracy on e-mails of no silo: ${untrained} before, ${trained} with the adapter\n`,
    );
    if (SCREENSHOTS !== undefined) {
      const added = (image: string): number => Math.round((sizeOf(image) - sizeOf(BASE)) / 1e6);
      const results = {
        before: untrained,
        after: trained,
        addedMB: { coordinator: added(IMAGES.coordinator), client: added(IMAGES.client) },
      };
      writeFileSync(RESULTS, `${JSON.stringify(results, null, 2)}\n`);
    }
    expect(trained).toBeGreaterThan(untrained + 0.1);
    expect(run(merge)).toMatch(/modules merged/);
  }, 600_000);

  test('stops, and nothing of the page was left out', () => {
    for (const command of of('Afterwards')) run(command);
    expect(commands.map((command) => command.text).filter((each) => !done.includes(each))).toEqual([]);
  }, 120_000);
});
