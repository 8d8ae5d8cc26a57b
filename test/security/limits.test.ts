import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { objections } from '../../src/client/accept/rules.js';
import { fits } from '../../src/name-patterns.js';
import { acceptSchema } from '../../src/client/accept/accept-config.js';
import { clientConfigSchema } from '../../src/client/config.js';
import { ResourceLimits, withinHours } from '../../src/client/resource-limits.js';
import { partySecurity } from '../../src/client/link/party-security.js';
import { systemClock } from '../../src/clock.js';
import { parseProxy } from '../../src/rpc/channel-options.js';
import { parseRunSpec } from '../../src/run-spec.js';
import { RateLimit } from '../../src/server/access/rate-limit.js';
import { securityMode } from '../../src/server/access/security-mode.js';
import { parseCoordinatorConfig } from '../../src/server/config.js';
import { FakeSilo } from '../server/support/fake-silo.js';
import { createRun, factors, pushBundle, specOf, startTestCoordinator } from '../server/support/harness.js';

import { temporary } from './support/consortium.js';
import { tinySpec } from './support/silo.js';

describe('plain text is for loopback only', () => {
  const coordinator = (host: string, mode: 'auto' | 'plaintext' | 'tls') =>
    securityMode(parseCoordinatorConfig({ dataFolder: 'd', grpc: { host }, security: { mode } }));

  test('at the coordinator', () => {
    expect(coordinator('127.0.0.1', 'auto')).toBe('plaintext');
    expect(coordinator('::1', 'plaintext')).toBe('plaintext');
    for (const host of ['0.0.0.0', '::', '10.0.0.7', 'coordinator.example.org']) {
      expect(coordinator(host, 'auto')).toBe('tls');
      expect(() => coordinator(host, 'plaintext')).toThrow(/plaintext is for loopback only/);
    }
  });

  test('at the silo', () => {
    const at = (address: string, mode: 'auto' | 'plaintext') =>
      partySecurity({ coordinator: address, mode, folder: temporary(), clock: systemClock }).security.kind;
    expect(at('localhost:9470', 'auto')).toBe('plaintext');
    expect(at('[::1]:9470', 'plaintext')).toBe('plaintext');
    expect(() => at('coordinator.example.org:9470', 'auto')).toThrow(/fedrot enrol/);
    expect(() => at('10.0.0.7:9470', 'plaintext')).toThrow(/plain text is for loopback only/);
  });
});

describe('the HTTP side', () => {
  test('asks for its token where that is set, but for health', async () => {
    const folder = temporary();
    const tokenFile = join(folder, 'http-token');
    const token = 'a-token-of-more-than-32-characters-1';
    writeFileSync(tokenFile, `${token}\n`, { mode: 0o600 });
    const coordinator = await startTestCoordinator(join(folder, 'd'), {
      http: { port: 0, auth: 'token', tokenFile },
    });
    onTestFinished(() => coordinator.close());
    const ask = async (path: string, authorization?: string): Promise<number> => {
      const headers = authorization === undefined ? {} : { authorization };
      return (await fetch(`http://127.0.0.1:${coordinator.running.httpPort}${path}`, { headers })).status;
    };
    expect(await ask('/metrics')).toBe(401);
    expect(await ask('/metrics', `Bearer ${token}x`)).toBe(401);
    expect(await ask('/metrics', `Bearer ${token}`)).toBe(200);
    expect([await ask('/healthz'), await ask('/readyz')]).toEqual([200, 200]);
  });
});

describe('a silo that does too much', () => {
  test('cannot outweigh the others by the size of its numbers', async () => {
    const coordinator = await startTestCoordinator(temporary(), { limits: { maxUpdateNorm: 100 } });
    onTestFinished(() => coordinator.close());
    await pushBundle(coordinator.admin);
    const silo = await new FakeSilo('a', coordinator.address).join();
    onTestFinished(() => silo.close());
    await createRun(coordinator.admin, specOf({ rounds: { count: 1, minSilos: 1 } }));
    const task = await silo.task(1);
    const huge = factors(3).map((tensor) => ({ ...tensor, data: tensor.data.map((value) => value * 1e3) }));
    await expect(silo.submit(task, huge)).rejects.toMatchObject({
      code: 'tensor_not_finite',
      message: expect.stringMatching(/Euclidean norm is .*; this coordinator takes at most 100/) as string,
    });
    const { squareSum } = await import('../../src/tensor/bytes.js');
    const norm = Math.sqrt(
      factors(3).reduce((sum, { data }) => sum + squareSum(new Uint8Array(data.buffer), 'f32'), 0),
    );
    const exact = Math.hypot(...factors(3).flatMap(({ data }) => [...data]));
    expect(Math.abs(norm / exact - 1)).toBeLessThan(1e-12);
    await silo.submit(task, factors(3));
  });

  test('has to wait', () => {
    let now = 0;
    const limit = new RateLimit({ now: () => now, after: () => () => undefined }, { perSecond: 2, burst: 3 });
    const take = (key: string): boolean => {
      try {
        limit.take(key, 'calls');
        return true;
      } catch {
        return false;
      }
    };
    expect([take('a'), take('a'), take('a'), take('a'), take('b')]).toEqual([true, true, true, false, true]);
    now = 500;
    expect([take('a'), take('a')]).toEqual([true, false]);
  });
});

describe('what a silo does without asking', () => {
  const rules = acceptSchema.parse({});
  const spec = parseRunSpec(tinySpec('a'.repeat(64)));
  const asked = { runId: 'tiny', bundle: 'a'.repeat(64), spec };

  test('patterns', () => {
    expect([
      fits(['*'], 'x'),
      fits(['spam-*'], 'spam-1'),
      fits(['spam-*'], 'xspam-1'),
      fits(['a.c'], 'abc'),
    ]).toEqual([true, true, false, false]);
    const cases: readonly (readonly [string, string, boolean])[] = [
      ['a*', 'a', true],
      ['*a', 'ba', true],
      ['a*a', 'a', false],
      ['a*b*c', 'axxbyyc', true],
      ['a*b*c', 'acb', false],
      ['*b*b*', 'ab', false],
      ['*b*b*', 'abxb', true],
      ['**', '', true],
      ['', 'a', false],
      ['a+', 'aa', false],
    ];
    for (const [pattern, text, expected] of cases)
      expect([pattern, text, fits([pattern], text)]).toEqual([pattern, text, expected]);
    // A pattern of a hostile operator costs no time.
    expect(fits([`${'*a'.repeat(10_000)}b`], 'a'.repeat(10_000))).toBe(false);
  });

  test('every rule has a line of its own', () => {
    expect(objections(asked, rules)).toEqual([]);
    const strict = {
      ...rules,
      runs: ['other'],
      bundles: ['b'.repeat(64)],
      methods: ['none'],
      modulesToSave: ['none'],
      ...{
        maxRank: 1,
        maxLocalSteps: 1,
        maxBatchSize: 1,
        maxTokens: 4,
        maxRounds: 0.5,
        maxLearningRate: 1e-9,
      },
    };
    expect(objections(asked, strict)).toHaveLength(10);
  });
});

describe('what the daemon may take of the machine', () => {
  const limits = (given: object, bytes = 0) => {
    const folder = temporary();
    const config = clientConfigSchema.parse({ name: 'a', data: { train: 'x' }, limits: given }).limits;
    return { folder, limits: new ResourceLimits(config, folder, systemClock, () => bytes) };
  };
  const at = (hour: number, minute = 0): number => new Date(2026, 0, 5, hour, minute).getTime();

  test('hours, past midnight too', () => {
    expect([0, 5, 6, 12, 20, 23].map((hour) => withinHours('20:00-06:00', at(hour)))).toEqual([
      true,
      true,
      false,
      false,
      true,
      true,
    ]);
    expect([8, 9, 17].map((hour) => withinHours('09:00-17:00', at(hour)))).toEqual([false, true, false]);
    expect(withinHours('07:30-07:30', at(3))).toBe(true);
  });

  test('disk', async () => {
    const { folder, limits: own } = limits({ maxDiskBytes: 2 ** 20 });
    mkdirSync(join(folder, 'deep'));
    writeFileSync(join(folder, 'deep', 'file'), Buffer.alloc(2 ** 20 - 10));
    await own.requireDisk(10);
    await expect(own.requireDisk(11)).rejects.toMatchObject({ code: 'storage_full' });
  });

  test('memory', () => {
    const { limits: own } = limits({ maxMemoryBytes: 2 ** 30 }, 2 ** 30 + 1);
    const { signal, stop } = own.watch();
    stop();
    expect(signal.reason).toMatchObject({ tell: true, reason: expect.stringMatching(/memory/) as string });
  });
});

test('proxies', () => {
  expect(parseProxy('http://proxy:3128')).toEqual({ host: 'proxy', port: 3128 });
  expect(parseProxy('http://a%40b:c@[::1]')).toEqual({ host: '::1', port: 80, credentials: 'a@b:c' });
  for (const bad of ['proxy:3128', 'https://proxy', 'x', 'http://%ff:x@proxy', 'http://a:%@proxy'])
    expect(() => parseProxy(bad)).toThrow(/proxy/);
});
