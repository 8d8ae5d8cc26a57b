import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { RoundDetail, RunSeries } from '../../../src/api/rounds.js';
import type {
  AdapterComparison,
  AdapterVersion,
  RunCheck,
  RunDetail,
  RunLog,
  RunSummary,
  Session,
  SiloView,
} from '../../../src/api/types.js';
import { fetchAdapter, factors, specOf, untilMeasured } from '../support/harness.js';
import { HttpWorld, sha256 } from './support.js';

/** A run of one round by three silos, started over HTTP, to its end. */
async function finishedRun(): Promise<{ world: HttpWorld; runId: string }> {
  const world = await HttpWorld.start();
  await world.pushBundle();
  const silos = [await world.join('a'), await world.join('b'), await world.join('c')];
  const spec = specOf({ rounds: { count: 1, minSilos: 3, deadlineMs: 60_000 }, seed: 4 });
  const { id } = await world.api<RunSummary>('/runs', { body: { spec } });
  for (const [index, silo] of silos.entries()) await silo.submit(await silo.task(1), factors(10 + index));
  await untilMeasured(world.coordinator.admin, id);
  return { world, runId: id };
}

describe('the HTTP API', () => {
  it('starts a run, and tells of it to its end: silos, rounds, adapters, card', async () => {
    const { world, runId } = await finishedRun();
    expect(runId).toBe('mail');
    const [summary] = await world.api<RunSummary[]>('/runs');
    expect(summary).toMatchObject({ id: 'mail', state: 'finished', round: 1, rounds: 1, version: 1 });

    const detail = await world.api<RunDetail>('/runs/mail');
    expect(detail.spec).toMatchObject({ seed: 4, training: { batchSize: 16 } });
    expect(detail.tasks.map(({ silo, state }) => [silo, state])).toEqual([
      ['a', 'done'],
      ['b', 'done'],
      ['c', 'done'],
    ]);

    const { rounds } = await world.api<RunSeries>('/runs/mail/series');
    expect(rounds).toMatchObject([{ round: 1, updates: 3, failures: 0, examples: 30, trainLoss: 0.5 }]);
    expect(rounds[0]?.aggregationErrorFedit).toBeGreaterThan(0);
    expect((await world.api<RunSeries>('/runs/mail/series?after=1')).rounds).toEqual([]);

    const round = await world.api<RoundDetail>('/runs/mail/rounds/1');
    expect(round.silos).toEqual(['a', 'b', 'c']);
    expect(round.updates).toMatchObject(round.silos.map((silo) => ({ silo, staleness: 0, stepWeight: 1 })));
    expect(round.modules.map(({ module }) => module)).toEqual(['query', 'value']);
    for (const { misalignment } of round.modules) {
      expect(misalignment).toHaveLength(3);
      for (const value of misalignment) expect(value).toBeGreaterThan(0);
    }
    expect(await world.api<SiloView[]>('/silos')).toMatchObject([
      { silo: 'a', connected: true, revoked: false, updatesAccepted: 1, softwareVersion: 'test' },
      { silo: 'b' },
      { silo: 'c' },
    ]);
  });

  it('gives adapters away as they were published, with a card that says where they come from', async () => {
    const { world } = await finishedRun();
    const versions = await world.api<AdapterVersion[]>('/runs/mail/adapters');
    expect(versions.map(({ version }) => version)).toEqual([0, 1]);
    const wanted = versions[1]?.sha256 ?? '';

    const file = await world.ask('/api/v1/runs/mail/adapters/1/file');
    expect(sha256(file.body)).toBe(wanted);
    expect(file.headers.get('etag')).toBe(`"${wanted}"`);
    // Over gRPC come the same numbers, without the file's header.
    const grpc = await fetchAdapter(world.coordinator.admin, 'mail', 1);
    expect(file.body.subarray(file.body.length - grpc.length).equals(grpc)).toBe(true);

    const card = (await world.ask('/api/v1/runs/mail/adapters/1/card')).body.toString();
    expect(card).toContain(`\`${wanted}\``);
    expect(card).toContain('30 examples in 3 silos. Labels: ham, spam.');
    expect(card).toContain('| aggregation | fedrot, weighted by examples |');

    const zip = (await world.ask('/api/v1/runs/mail/adapters/1/archive')).body;
    expect(zip.includes(file.body)).toBe(true);
    expect(zip.includes(Buffer.from('mail-v1/adapter_config.json'))).toBe(true);
    expect(zip.includes(Buffer.from(card))).toBe(true);

    const audit = readFileSync(join(world.folder, 'audit.jsonl'), 'utf8');
    expect(audit).toContain('"action":"run.create","actor":"operator:local"');
    expect(audit.match(/"action":"adapter.fetch"/g)).toHaveLength(3);
  });

  it('compares two versions as their products B · A, by the definition', async () => {
    const { world } = await finishedRun();
    const compared = await world.api<AdapterComparison>('/runs/mail/compare?from=0&to=1');
    // Version 0 has B = 0; heads are compared value by value.
    const lora = compared.modules.find(({ module }) => module.endsWith('query'));
    expect(lora).toMatchObject({ normFrom: 0, cosine: null });
    expect(lora?.distance).toBeCloseTo(lora?.normTo ?? NaN, 9);
    const squares = compared.modules.reduce((sum, { distance }) => sum + distance ** 2, 0);
    expect(compared.total.distance).toBeCloseTo(Math.sqrt(squares), 9);
    const same = await world.api<AdapterComparison>('/runs/mail/compare?from=1&to=1');
    expect(same.total.cosine).toBeCloseTo(1, 12);
    expect(same.total.distance / same.total.normTo).toBeLessThan(1e-6);
  });

  it('pauses, goes on, rolls back and stops, and tells what happened', async () => {
    const { world } = await finishedRun();
    const act = (what: string, body: object): Promise<RunSummary> =>
      world.api(`/runs/mail/${what}`, { body });
    expect(await act('rollback', { version: 0, reason: 'worse' })).toMatchObject({ version: 2, rounds: 2 });
    const { rounds } = await world.api<RunSeries>('/runs/mail/series');
    expect(rounds.map(({ round, rollbackOf }) => [round, rollbackOf])).toEqual([
      [1, null],
      [2, 0],
    ]);
    const log = await world.api<RunLog>('/runs/mail/events');
    expect(log.events.map(({ seq }) => seq)).toEqual(log.events.map((_, index) => index + 1));
    const kinds = log.events.map(({ kind }) => kind);
    expect(kinds).toEqual(expect.arrayContaining(['run.created', 'round.published', 'adapter.rolled-back']));
    const warnings = await world.api<RunLog>('/runs/mail/events?level=warn&limit=1');
    expect(warnings).toMatchObject({ events: [{ level: 'warn' }] });

    await world.api('/runs', { body: { spec: specOf({ name: 'other' }) } });
    const other = (what: string, body: object): Promise<RunSummary> =>
      world.api(`/runs/other/${what}`, { body });
    expect(await other('pause', { reason: 'lunch', hold: true })).toMatchObject({ paused: true });
    expect(await other('resume', {})).toMatchObject({ paused: false });
    expect(await other('stop', { reason: 'enough' })).toMatchObject({ state: 'stopped', reason: 'enough' });
  });

  it('looks at a specification before it is created', async () => {
    const world = await HttpWorld.start();
    const check = (spec: unknown): Promise<RunCheck> => world.api('/runs/check', { body: { spec } });
    expect((await check({ ...specOf(), lora: { rank: 0 } })).issues).toMatchObject([{ path: 'lora.rank' }]);
    expect((await check(specOf())).issues).toMatchObject([{ path: 'bundle' }]);
    await world.pushBundle();
    const good = await check(specOf({ wireDType: 'f16' }));
    expect(good.issues).toEqual([]);
    const parameters = 2 * (2 * 600 + 500 * 2) + 2;
    expect(good.estimate).toEqual({
      modules: 2,
      parameters,
      adapterBytes: parameters * 4,
      uploadBytes: parameters * 2,
      downloadBytes: parameters * 4,
    });
    expect(good.warnings.join()).toContain('0 of the 3 silos');
    expect(await world.api('/runs')).toEqual([]);
  });

  it('starts a run from a version of another', async () => {
    const { world } = await finishedRun();
    const body = { spec: specOf({ name: 'more' }), initial: { run: 'mail', version: 1 } };
    await world.api('/runs', { body });
    const [mail] = (await world.api<AdapterVersion[]>('/runs/mail/adapters')).slice(-1);
    const [more] = await world.api<AdapterVersion[]>('/runs/more/adapters');
    expect(more?.sha256).toBe(mail?.sha256);
    const other = await world.ask('/api/v1/runs', {
      body: { spec: specOf({ name: 'x' }), initial: { run: 'mail', version: 7 } },
    });
    expect(other.status).toBe(404);
  });

  it('says in JSON what is wrong', async () => {
    const world = await HttpWorld.start();
    const cases: readonly [path: string, body: unknown, status: number, code: string][] = [
      ['/runs/none', undefined, 404, 'run_unknown'],
      ['/nothing', undefined, 404, 'not_found'],
      ['/runs/a/series?after=-1', undefined, 404, 'run_unknown'],
      ['/runs', { spec: { name: 'X' } }, 400, 'config_invalid'],
      ['/runs', { more: 1 }, 400, 'option_invalid'],
      ['/runs', { spec: specOf() }, 409, 'precondition_failed'],
      ['/tokens', { kind: 'silo', name: 'a' }, 409, 'precondition_failed'],
      ['/session', { token: 'x' }, 401, 'unauthenticated'],
    ];
    for (const [path, body, status, code] of cases) {
      const answer = await world.ask(`/api/v1${path}`, { ...(body !== undefined && { body }) });
      expect([path, answer.status, (answer.json() as { error: { code: string } }).error.code]).toEqual([
        path,
        status,
        code,
      ]);
    }
  });
});

describe('who may do what over HTTP', () => {
  const token = (world: HttpWorld, file: string): string =>
    readFileSync(join(world.folder, 'pki', file), 'utf8').trim();
  const bearer = (secret: string): Record<string, string> => ({ authorization: `Bearer ${secret}` });

  it('asks for a token, keeps it in a cookie, and goes by its role', async () => {
    const world = await HttpWorld.start({ http: { port: 0, auth: 'token' } });
    expect(await world.api<Session>('/session')).toMatchObject({ signedIn: false, role: null });
    expect((await world.ask('/api/v1/runs')).status).toBe(401);
    expect((await world.ask('/metrics')).status).toBe(401);
    expect((await world.ask('/healthz')).status).toBe(200);

    const viewer = token(world, 'http-token');
    expect((await world.ask('/metrics', { headers: bearer(viewer) })).status).toBe(200);
    expect((await world.ask('/api/v1/runs', { headers: bearer(viewer) })).status).toBe(200);
    for (const path of ['/runs/a/stop', '/tokens', '/silos/a/revoke'])
      expect((await world.ask(`/api/v1${path}`, { headers: bearer(viewer), body: {} })).status).toBe(403);

    const admin = token(world, 'dashboard-token');
    const signedIn = await world.ask('/api/v1/session', { body: { token: ` ${admin}\n` } });
    expect(signedIn.json()).toMatchObject({ signedIn: true, role: 'admin', byToken: true });
    const cookie = signedIn.headers.get('set-cookie') ?? '';
    expect(cookie).toMatch(/HttpOnly/);
    expect(cookie).toMatch(/SameSite=Strict/);
    const headers = { cookie: cookie.split(';')[0] ?? '' };
    expect((await world.ask('/api/v1/tokens', { headers })).status).toBe(200);

    // A token made for a person: its role, and its end when it is revoked.
    const created = await world.api<{ token: string; record: { id: string } }>('/tokens', {
      headers,
      body: { kind: 'dashboard', name: 'ada', role: 'operator' },
    });
    const ada = bearer(created.token);
    expect(await world.api<Session>('/session', { headers: ada })).toMatchObject({
      name: 'ada',
      role: 'operator',
    });
    expect((await world.ask('/api/v1/tokens', { headers: ada })).status).toBe(403);
    expect((await world.ask('/api/v1/runs/a/stop', { headers: ada, body: {} })).status).toBe(404);
    await world.api(`/tokens/${created.record.id}/revoke`, { headers, body: {} });
    expect((await world.ask('/api/v1/runs', { headers: ada })).status).toBe(401);
    const audit = readFileSync(join(world.folder, 'audit.jsonl'), 'utf8');
    expect(audit).toContain('"action":"dashboard.sign-in"');
    expect(audit).toContain('"action":"token.create","actor":"operator:dashboard-token"');
    expect(audit).not.toContain(created.token);
  });

  it('lets whoever sits at the machine look, and act only where gRPC is open to him too', async () => {
    const open = await HttpWorld.start();
    expect(await open.api<Session>('/session')).toMatchObject({ signedIn: true, role: 'admin' });
    const tls = await HttpWorld.start({ security: { mode: 'tls' } });
    expect(await tls.api<Session>('/session')).toMatchObject({ signedIn: true, role: 'viewer' });
    expect((await tls.ask('/api/v1/runs/a/stop', { body: {} })).status).toBe(403);
  });

  it('refuses pages of others: foreign origins, names pointed here, bodies that forms can send', async () => {
    const world = await HttpWorld.start();
    const stop = (headers: Record<string, string>) =>
      world.ask('/api/v1/runs/a/stop', { body: {}, headers }).then(({ status }) => status);
    expect(await stop({})).toBe(404);
    expect(await stop({ origin: world.origin })).toBe(404);
    expect(await stop({ origin: 'https://evil.example' })).toBe(403);
    expect(await stop({ 'sec-fetch-site': 'cross-site' })).toBe(403);
    expect(await stop({ 'content-type': 'text/plain' })).toBe(400);
    const { request } = await import('node:http');
    const status = await new Promise<number | undefined>((resolve) => {
      const port = world.coordinator.running.httpPort;
      request({ port, path: '/api/v1/runs', headers: { host: 'evil.example' } }, (response) => {
        response.resume();
        resolve(response.statusCode);
      }).end();
    });
    expect(status).toBe(403);
  });
});
