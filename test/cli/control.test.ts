import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { compareAdapters } from '../../src/align/compare-adapters.js';
import { candidates } from '../../src/cli/commands/completion.js';
import { processContext } from '../../src/cli/context.js';
import { COMMAND_NAMES, wholeProgram } from '../../src/cli/program.js';
import { estimateRun, preflightWarnings } from '../../src/cli/run/preflight.js';
import { bar, liveLines, LiveView, sparkline } from '../../src/cli/run/live-view.js';
import { parseRunSpec } from '../../src/run-spec.js';
import { tinyBundle, tinyCheckpoint } from '../model/tiny-bundle.js';
import { repoPath } from '../support/repo.js';
import { FakeSilo } from '../server/support/fake-silo.js';
import {
  createRun,
  factors,
  pushBundle,
  specOf,
  startTestCoordinator,
  tempFolder,
  untilRun,
  type TestCoordinator,
} from '../server/support/harness.js';
import { cli } from './support/context.js';
import { snapshot as aRun } from './support/runs.js';

describe('a run that is controlled', () => {
  let coordinator: TestCoordinator;
  let folder: string;
  const silos: FakeSilo[] = [];
  beforeEach(async () => {
    folder = await tempFolder();
    coordinator = await startTestCoordinator(folder);
    await pushBundle(coordinator.admin);
  });
  afterEach(async () => {
    for (const silo of silos.splice(0)) silo.close();
    await coordinator.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const at = (): string[] => ['--coordinator', coordinator.address];

  it('is paused, resumed, compared, rolled back and told', async () => {
    const a = await new FakeSilo('a', coordinator.address).join();
    silos.push(a);
    const runId = await createRun(coordinator.admin, specOf({ rounds: { count: 3, minSilos: 1 } }));
    await a.submit(await a.task(1), factors(1));
    await untilRun(coordinator.admin, runId, ({ rounds }) => rounds.length === 1);
    const paused = await cli(['run', 'pause', runId, '--hold', '--reason', 'maintenance', ...at()]);
    expect(paused).toMatchObject({ code: 0, err: '' });
    expect(paused.out).toContain(`go on with: fedrot run resume ${runId}`);
    expect(JSON.parse((await cli(['run', 'show', runId, '--json', ...at()])).out)).toMatchObject({
      state: 'paused',
    });
    expect((await cli(['run', 'resume', runId, ...at()])).out).toBe(`${runId} goes on\n`);
    await a.submit(await a.task(2), factors(2));
    await untilRun(coordinator.admin, runId, ({ rounds }) => rounds.length === 2);

    const compared = JSON.parse(
      (await cli(['adapter', 'compare', runId, '1', '2', '--json', ...at()])).out,
    ) as {
      total: { cosine: number };
      scores: { version: number }[];
    };
    expect(compared.scores.map(({ version }) => version)).toEqual([1, 2]);
    expect(Math.abs(compared.total.cosine)).toBeLessThanOrEqual(1);
    expect((await cli(['adapter', 'compare', runId, '1', '1', ...at()])).out).toContain('change 0.0 %');
    expect((await cli(['adapter', 'compare', runId, '1', '9', ...at()])).err).toContain('no version 9');

    const back = await cli(['adapter', 'rollback', runId, '1', '--reason', 'worse', ...at()]);
    expect(back).toMatchObject({
      code: 0,
      out: `${runId} goes back: version 1 is published again as its next version\n`,
    });
    await untilRun(coordinator.admin, runId, ({ rounds }) => rounds.length === 3);
    expect((await cli(['adapter', 'compare', runId, '1', '3', ...at()])).out).toContain('change 0.0 %');

    const logs = await cli(['run', 'logs', runId, ...at()]);
    expect(logs.out).toContain('maintenance');
    const events = (await cli(['run', 'logs', runId, '--json', ...at()])).out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { seq: number });
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
  });

  it('says of a silo what it works on, what it has given and what has failed', async () => {
    const [a, b] = await Promise.all(
      ['a', 'b'].map((name) => new FakeSilo(name, coordinator.address).join()),
    );
    silos.push(a!, b!);
    const rounds = { count: 2, minSilos: 1, deadlineMs: 60_000 };
    const runId = await createRun(coordinator.admin, specOf({ rounds }));
    await a!.submit(await a!.task(1), factors(1));
    const { taskId } = await b!.task(1);
    await b!.calls.reportFailure({ silo: 'b', taskId, code: 'data_empty', message: 'no rows' });
    await untilRun(coordinator.admin, runId, ({ round }) => round === 2);
    const again = (await b!.task(2)).taskId;
    await b!.calls.reportFailure({ silo: 'b', taskId: again, code: 'data_invalid', message: 'row 3' });

    const show = async (name: string): Promise<unknown> =>
      JSON.parse((await cli(['silo', 'show', name, '--json', ...at()])).out);
    expect(await show('a')).toMatchObject({
      silo: 'a',
      connected: true,
      updates_accepted: 1,
      tasks: [{ run: runId, round: 2, state: 'assigned' }],
      failed: [],
    });
    // Of the open round too, the newest first.
    expect(await show('b')).toMatchObject({
      updates_accepted: 0,
      failures: 2,
      tasks: [{ run: runId, round: 2, state: 'failed' }],
      failed: [
        { run: runId, round: 2, code: 'data_invalid' },
        { run: runId, round: 1, code: 'data_empty' },
      ],
    });
    const text = (await cli(['silo', 'show', 'b', ...at()])).out;
    expect(text).toMatch(new RegExp(`${runId} round 2: failed`));
    expect(text).toMatch(/data_empty +.*no rows/);
    expect((await cli(['silo', 'show', 'nobody', ...at()])).err).toContain('fedrot silo list');
  });

  it('is estimated before it is created, and warned of', async () => {
    const bundle = await tinyBundle(await tinyCheckpoint());
    const file = join(folder, 'run.yaml');
    writeFileSync(
      file,
      'name: tiny\nrounds: { count: 2, minSilos: 3 }\ntraining: { localSteps: 5, batchSize: 2 }\ntask: { maxTokens: 16 }\n',
    );
    const { code, out, err } = await cli([
      'run',
      'create',
      '-f',
      file,
      '--bundle',
      bundle.folder,
      '--json',
      ...at(),
    ]);
    expect(err).toBe('');
    expect(code).toBe(0);
    const { estimate, warnings } = JSON.parse(out) as {
      estimate: {
        parameters: number;
        updateBytes: number;
        totalBytes: number;
        probe: { stepSeconds: number; peakBytes: number };
      };
      warnings: string[];
    };
    expect(estimate.updateBytes).toBe(4 * estimate.parameters);
    expect(estimate.totalBytes).toBe(2 * 3 * 2 * estimate.updateBytes);
    expect(estimate.probe.peakBytes).toBeGreaterThan(10e6);
    expect(estimate.probe.stepSeconds).toBeGreaterThan(0);
    expect(warnings).toEqual([
      expect.stringContaining('0 trainers are connected and a round needs 3'),
      expect.stringContaining('no evaluator'),
    ]);
    const plain = await cli([
      'run',
      'create',
      '-f',
      file,
      '--bundle',
      bundle.folder,
      '--run-id',
      'again',
      '--no-probe',
      ...at(),
    ]);
    expect(plain.err).toMatch(/^adapter .* values; a silo receives/);
    expect(plain.err).toContain('warning: 0 trainers');
    expect(plain.out).toContain('created again');
  });
});

describe('estimates', () => {
  const spec = parseRunSpec({
    name: 'x',
    bundle: 'a'.repeat(64),
    task: { kind: 'text-classification', labels: ['a', 'b'] },
    wireDType: 'bf16',
    rounds: { count: 10, minSilos: 2, deadlineMs: 60_000 },
    training: { localSteps: 100, batchSize: 10 },
  });
  const bundle = { manifest: { files: [{ bytes: 5 }, { bytes: 7 }] } } as never;
  const silo = (name: string, examples: number) =>
    ({ silo: name, role: 'SILO_ROLE_TRAINER', connected: true, examples }) as never;

  it('count bytes in both directions', () => {
    expect(estimateRun(spec, bundle, 1e6, { trainers: 4 })).toMatchObject({
      updateBytes: 2e6,
      adapterBytes: 4e6,
      totalBytes: 6e6 * 4 * 10,
      bundleBytes: 12,
    });
  });
  it('warn of deadlines, large updates and few examples', () => {
    const probe = { stepSeconds: 1, peakBytes: 1, threads: 1 };
    const estimate = estimateRun(spec, bundle, 60e6, { trainers: 2, probe });
    const warnings = preflightWarnings(spec, estimate, [silo('a', 10), silo('b', 1000)]);
    expect(warnings).toEqual([
      expect.stringContaining('the deadline is 1 min 0 s'),
      expect.stringContaining('120 MB a round'),
      expect.stringContaining('a has 10 examples, and a round draws 1000: each 100 times'),
      expect.stringContaining('no evaluator'),
    ]);
    const small = estimateRun(spec, bundle, 1000, { trainers: 2, probe: { ...probe, stepSeconds: 0.01 } });
    const judge = { silo: 'j', role: 'SILO_ROLE_EVALUATOR', connected: true, examples: 5 } as never;
    expect(preflightWarnings(spec, small, [silo('a', 1000), silo('b', 1000), judge])).toEqual([]);
  });
});

describe('compareAdapters', () => {
  const module = (a: number[], b: number[], r: number) => [
    { name: 'base_model.model.q.lora_A.weight', shape: [r, a.length / r], data: Float32Array.from(a) },
    { name: 'base_model.model.q.lora_B.weight', shape: [b.length / r, r], data: Float32Array.from(b) },
  ];
  it('compares products: a rotated basis changes nothing', () => {
    const c = Math.cos(0.7);
    const s = Math.sin(0.7);
    const a = [1, 2, 3, 4, 5, 6];
    const b = [1, -1, 0.5, 2];
    // RᵀA and BR for a rotation R: the same product.
    const ra = [0, 1, 2]
      .map((i) => c * a[i]! + s * a[3 + i]!)
      .concat([0, 1, 2].map((i) => -s * a[i]! + c * a[3 + i]!));
    const rb = [0, 1].flatMap((i) => [c * b[2 * i]! + s * b[2 * i + 1]!, -s * b[2 * i]! + c * b[2 * i + 1]!]);
    const { total, modules } = compareAdapters(module(a, b, 2), module(ra, rb, 2), 2);
    expect(total.relativeChange).toBeLessThan(1e-3);
    expect(total.cosine).toBeCloseTo(1, 6);
    // ΔW = 2 B A, by hand.
    const product = [0, 1].flatMap((i) =>
      [0, 1, 2].map((j) => 2 * (b[2 * i]! * a[j]! + b[2 * i + 1]! * a[3 + j]!)),
    );
    expect(modules[0]!.normFrom).toBeCloseTo(Math.sqrt(product.reduce((sum, x) => sum + x * x, 0)), 5);
  });
  it('says how far: twice the update is a change of 100 %', () => {
    const { total } = compareAdapters(module([1, 2], [3], 1), module([1, 2], [6], 1), 1);
    expect(total.relativeChange).toBeCloseTo(1, 6);
  });
  it('refuses adapters of different modules', () => {
    expect(() => compareAdapters(module([1], [1], 1), [], 1)).toThrow(/only one of the two adapters has q/);
  });
});

describe('the live view', () => {
  it('draws bars and sparklines', () => {
    expect(bar(1, 4, 8)).toBe('██░░░░░░');
    expect(bar(9, 4, 4)).toBe('████');
    expect(sparkline([0, 1, 2], 10)).toBe('▁▅█');
    expect(sparkline([5, 5], 10)).toBe('▄▄');
  });
  it('shows round, countdown and silos within the width, the failed first', () => {
    const lines = liveLines(
      aRun({
        round: 2,
        totalRounds: 8,
        phase: 'collecting',
        state: 'RUN_STATE_RUNNING',
        deadlineMs: 90_000,
        silos: [
          { silo: 'a', state: 'training', step: 3, totalSteps: 8, loss: 0.5, message: '' },
          { silo: 'b', state: 'failed', step: 0, totalSteps: 8, loss: 0, message: 'x'.repeat(200) },
        ],
      }),
      { columns: 70, nowMs: 30_000, colors: false },
    );
    expect(lines[1]).toContain('round 2 of 8, collecting, 1 min 0 s left');
    expect(lines.findIndex((line) => line.includes('  b '))).toBeLessThan(
      lines.findIndex((line) => line.includes('  a ')),
    );
    expect(lines.find((line) => line.includes('  a '))).toContain('3/8');
    expect(Math.max(...lines.map((line) => line.length))).toBe(70);
  });
  it('draws over what it drew before', () => {
    let text = '';
    const view = new LiveView(() => ({ columns: 80, write: (part) => void (text += part) }));
    view.draw(aRun({}), 0);
    const first = text.split('\n').length - 1;
    view.draw(aRun({}), 0);
    expect(text).toContain(`[${first}A`);
  });
});

describe('completion', () => {
  const context = processContext({});
  it('knows commands, options, and what options take', async () => {
    const program = await wholeProgram(context);
    expect(candidates(program, [])).toEqual([...COMMAND_NAMES, '--help']);
    expect(candidates(program, ['run'])).toEqual(
      expect.arrayContaining(['create', 'watch', 'pause', 'logs']),
    );
    expect(candidates(program, ['run', 'logs', 'x'])).toContain('--follow');
    expect(candidates(program, ['run', 'logs', 'x', '--follow'])).not.toContain('--follow');
    expect(candidates(program, ['run', 'logs', 'x', '--level'])).toEqual(['info', 'warn', 'error']);
  });
  it.each(['bash', 'zsh', 'fish'])('prints a script that %s accepts', async (shell) => {
    const { code, out } = await cli(['completion', shell]);
    expect(code).toBe(0);
    const { error, status, stderr } = spawnSync(shell, ['-n'], { input: out, encoding: 'utf8' });
    if (error === undefined) expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });
  it('completes in bash', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'fedrot-completion-'));
    const fedrot = join(folder, 'fedrot');
    writeFileSync(fedrot, `#!/bin/sh\nexec ${process.execPath} ${repoPath('dist/cli/main.js')} "$@"\n`, {
      mode: 0o755,
    });
    const script = (await cli(['completion', 'bash'])).out;
    const ask = `${script}\nCOMP_WORDS=(fedrot run pa); COMP_CWORD=2; _fedrot; echo "\${COMPREPLY[@]}"`;
    const { stdout } = spawnSync('bash', ['-c', ask], {
      encoding: 'utf8',
      env: { ...process.env, PATH: `${folder}:${process.env.PATH}` },
    });
    expect(stdout.trim()).toBe('pause');
    rmSync(folder, { recursive: true });
  });
});
