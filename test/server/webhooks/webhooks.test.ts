import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createHmac } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/clock.js';
import { createLogger } from '../../../src/log.js';
import { parseCoordinatorConfig } from '../../../src/server/config.js';
import { CoordinatorMetrics } from '../../../src/server/metrics.js';
import { initialState, type RunState } from '../../../src/server/round/state.js';
import { webhookEvents } from '../../../src/server/webhooks/webhook-events.js';
import { WebhookSender } from '../../../src/server/webhooks/webhook-sender.js';
import { parseRunSpec } from '../../../src/run-spec.js';
import { recordingLogger } from '../../client/recording-logger.js';
import { FakeSilo } from '../support/fake-silo.js';
import { createRun, factors, pushBundle, specOf, startTestCoordinator } from '../support/harness.js';

interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

const SECRET = 'a-secret-of-at-least-32-characters-length';
let folder: string;
let server: Server;
let received: Received[];
let answers: number[];
let url: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fedrot-webhook-'));
  received = [];
  answers = [];
  server = createServer((request, response) => {
    let body = '';
    request.on('data', (part: Buffer) => (body += part.toString()));
    request.on('end', () => {
      received.push({ headers: request.headers, body });
      response.writeHead(answers.shift() ?? 204, { Location: 'http://127.0.0.1:1/' }).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook/t0ps3cret?key=t0ps3cret`;
  writeFileSync(join(folder, 'secret'), `${SECRET}\n`, { mode: 0o600 });
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(folder, { recursive: true, force: true });
});

const spec = parseRunSpec({
  name: 'mail',
  bundle: 'a'.repeat(64),
  task: { kind: 'text-classification', labels: ['a', 'b'] },
  rounds: { count: 3, minSilos: 2 },
});
const open: RunState = {
  ...initialState('mail', spec, { trainers: ['a', 'b'], evaluators: [] }),
  phase: 'collecting',
  round: 1,
};
const failed: RunState = { ...open, phase: 'done', outcome: 'failed', reason: 'no quorum in 3 attempts' };

describe('what is told', () => {
  it.each([
    ['an end', open, { ...open, phase: 'done', outcome: 'finished' }, ['run.finished']],
    ['a failure', open, failed, ['run.failed']],
    ['the failure once', failed, failed, []],
    ['an operator’s stop is his own doing', open, { ...open, phase: 'done', outcome: 'stopped' }, []],
    ['one silo too few', open, { ...open, trainers: ['a'] }, ['run.quorum_lost']],
    ['fewer still', { ...open, trainers: ['a'] }, { ...open, trainers: [] }, []],
    [
      'a run that waits for its first silos',
      { ...open, round: 0, phase: 'waiting' },
      { ...open, round: 0, trainers: [] },
      [],
    ],
    ['a silo more', { ...open, trainers: ['a'] }, open, []],
  ] as [string, RunState, RunState, string[]][])('%s', (_, before, after, events) => {
    expect(webhookEvents(before, after)).toEqual(events);
  });
});

describe('how it is told', () => {
  const metrics = new CoordinatorMetrics();
  const sender = (
    log: string[],
    events: readonly string[] = ['run.failed'],
    secret = true,
  ): WebhookSender => {
    const { webhooks } = parseCoordinatorConfig({
      dataFolder: folder,
      webhooks: [{ url, events, ...(secret && { secretFile: join(folder, 'secret') }) }] as never,
    });
    const policy = { initialMs: 1, maxMs: 5, factor: 2, maxAttempts: 4 };
    return new WebhookSender(webhooks, { clock: systemClock, logger: recordingLogger(log), metrics, policy });
  };
  const count = (n: number) => expect.poll(() => received.length, { timeout: 15_000 }).toBe(n);

  it('as JSON, signed', async () => {
    const hooks = sender([]);
    hooks.step(open, failed, 1_700_000_000_000);
    await count(1);
    const [{ headers, body }] = received as [Received];
    expect(JSON.parse(body)).toEqual({
      event: 'run.failed',
      run: 'mail',
      round: 1,
      version: 0,
      total_rounds: 3,
      reason: 'no quorum in 3 attempts',
      connected_trainers: 2,
      min_silos: 2,
      at: '2023-11-14T22:13:20.000Z',
    });
    expect(headers['x-fedrot-event']).toBe('run.failed');
    const signed = `${String(headers['x-fedrot-timestamp'])}.${body}`;
    expect(headers['x-fedrot-signature']).toBe(
      `sha256=${createHmac('sha256', SECRET).update(signed).digest('hex')}`,
    );
    await hooks.close();
  });

  it('again after a failure that may pass, with the same delivery', async () => {
    answers = [500, 429, 204];
    const hooks = sender([]);
    hooks.step(open, failed, 0);
    await count(3);
    expect(new Set(received.map(({ headers }) => headers['x-fedrot-delivery'])).size).toBe(1);
    await hooks.close();
  });

  it.each([
    ['refused', [404], 1],
    ['sent elsewhere', [302, 302, 302, 302], 4],
    ['never taken', [500, 500, 500, 500], 4],
  ])('gives up where it is %s, and tells no secret', async (_, statuses, tries) => {
    answers = [...statuses];
    const log: string[] = [];
    const hooks = sender(log);
    hooks.step(open, failed, 0);
    await expect.poll(() => log.join(''), { timeout: 15_000 }).toContain('given up');
    expect(received).toHaveLength(tries);
    expect(log.join('')).not.toMatch(new RegExp(`t0ps3cret|${SECRET}`));
    await hooks.close();
  });

  it('only of what was asked for, and unsigned without a secret', async () => {
    const hooks = sender([], ['run.finished'], false);
    hooks.step(open, failed, 0);
    hooks.step(open, { ...open, phase: 'done', outcome: 'finished' }, 0);
    await count(1);
    expect(received[0]?.headers['x-fedrot-event']).toBe('run.finished');
    expect(received[0]?.headers['x-fedrot-signature']).toBeUndefined();
    await hooks.close();
  });

  it('refuses a secret that others may read', () => {
    chmodSync(join(folder, 'secret'), 0o644);
    expect(() => sender([])).toThrow(/secret/);
  });

  it('by a coordinator whose run finishes', async () => {
    const coordinator = await startTestCoordinator(
      join(folder, 'data'),
      { webhooks: [{ url, events: ['run.finished'] }] },
      { logger: createLogger({ level: 'silent', format: 'json' }) },
    );
    try {
      await pushBundle(coordinator.admin);
      const a = await new FakeSilo('a', coordinator.address).join();
      await createRun(coordinator.admin, specOf({ rounds: { count: 1, minSilos: 1 } }));
      await a.submit(await a.task(1), factors(1));
      await count(1);
      expect(JSON.parse(received[0]?.body ?? '')).toMatchObject({
        event: 'run.finished',
        run: 'mail',
        version: 1,
      });
      await expect
        .poll(() => coordinator.metric('fedrot_webhooks_total{event="run.finished",outcome="sent"}'))
        .toBe(1);
      a.close();
    } finally {
      await coordinator.close();
    }
  });
});
