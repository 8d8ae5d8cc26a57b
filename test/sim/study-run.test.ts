import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { studyReport } from '../../src/cli/simulate/study-report.js';
import { Random } from '../../src/random.js';
import { readResults, type TrialResult } from '../../src/sim/results.js';
import { runStudy, type RunStudyOptions, type StudyResults } from '../../src/sim/run-study.js';
import { parseStudy, type Study } from '../../src/sim/study.js';
import { summarize } from '../../src/sim/summary.js';
import { codeOf } from '../support/code-of.js';
import { tinyCheckpoint } from '../model/tiny-bundle.js';

let folder: string;
let study: Study;

/** Mails of two kinds that a few words tell apart. */
function mails(count: number, seed: number): string {
  const random = Random.of('mails', seed);
  const words = { spam: ['free', 'offer', 'cheap', 'win'], ham: ['meeting', 'tomorrow', 'list', 'mail'] };
  return Array.from({ length: count }, (_, i) => {
    const label = i % 2 === 0 ? 'spam' : 'ham';
    const text = Array.from({ length: 3 + random.integer(4) }, () => words[label][random.integer(4)]).join(
      ' ',
    );
    return `${JSON.stringify({ text, label, who: `p${i % 5}` })}\n`;
  }).join('');
}

beforeAll(async () => {
  folder = await tinyCheckpoint();
  writeFileSync(join(folder, 'train.jsonl'), mails(120, 0));
  writeFileSync(join(folder, 'test.jsonl'), mails(40, 1));
  study = parseStudy({
    name: 'tiny',
    model: { checkpoint: join(folder, 'checkpoint'), head: 'new' },
    data: {
      name: 'mails',
      train: join(folder, 'train.jsonl'),
      test: join(folder, 'test.jsonl'),
      maxTokens: 16,
    },
    targetModules: ['layer.1.attention.self.query', 'layer.1.attention.self.value'],
    partition: [
      { kind: 'dirichlet', alpha: 0.5 },
      { kind: 'field', field: 'who' },
    ],
    silos: 3,
    rank: 2,
    methods: ['fedit', 'fedrot-exact', 'rolora'],
    optimizer: { kind: 'adamw', learningRate: 0.02 },
    batchSize: 8,
    localSteps: 4,
    rounds: 3,
    seeds: [0, 1],
  });
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** Everything but wall time. */
const essence = ({ done }: StudyResults) => done.map(({ seconds: _s, ...rest }) => rest);

const options = (name: string, more: Partial<RunStudyOptions> = {}): RunStudyOptions => ({
  out: join(folder, name),
  cache: join(folder, `${name}-cache`),
  workers: 1,
  ...more,
});

let whole: StudyResults | undefined;
const once = async (): Promise<StudyResults> => (whole ??= await runStudy(study, options('whole')));

describe('runStudy', () => {
  it('runs every trial of the grid to its end, with measures for every round', async () => {
    const { done, missing } = await once();
    expect(done).toHaveLength(12);
    expect(missing).toBe(0);
    for (const { outcome, versions, trial } of done) {
      expect(outcome).toBe('finished');
      expect(versions.map(({ version }) => version)).toEqual([0, 1, 2, 3]);
      expect(versions.every(({ accuracy }) => accuracy !== null && accuracy >= 0 && accuracy <= 1)).toBe(
        true,
      );
      const [, first] = versions;
      expect(first!.squaredErrorBound!).toBeLessThanOrEqual(first!.squaredErrorFedit! + 1e-9);
      if (trial.method === 'fedrot-exact')
        expect(first!.squaredError!).toBeCloseTo(first!.squaredErrorBound!, 5);
    }
    // Methods that ask the same of round 1 train on the very same numbers: plain averaging of them has the same error.
    const [fedit, exact] = done;
    expect(exact!.versions[1]!.squaredErrorFedit).toBe(fedit!.versions[1]!.squaredErrorFedit);
    expect(exact!.versions[0]).toEqual(fedit!.versions[0]);
  });

  it('gives the same results whatever the number of workers', async () => {
    const two = await runStudy(study, options('two', { workers: 2 }));
    expect(essence(two)).toEqual(essence(await once()));
  });

  it('continues where it was killed, and computes nothing twice', async () => {
    const stopped = new AbortController();
    const first: TrialResult[] = [];
    const cut = runStudy(
      study,
      options('cut', {
        signal: stopped.signal,
        onResult: (result) => {
          first.push(result);
          if (first.length === 4) stopped.abort();
        },
      }),
    );
    await expect(cut).rejects.toMatchObject({ code: 'cancelled' });
    const path = join(folder, 'cut/results.jsonl');
    expect(readResults(path).length).toBeLessThan(12);
    // What a kill in the middle of writing leaves: half a line.
    const half = Math.floor(readFileSync(path, 'utf8').trimEnd().split('\n').at(-1)!.length / 2);
    truncateSync(path, readFileSync(path).length - half);
    const rest: TrialResult[] = [];
    const again = await runStudy(study, options('cut', { onResult: (result) => rest.push(result) }));
    expect(essence(again)).toEqual(essence(await once()));
    expect(rest).toHaveLength(12 - (first.length - 1));
    const nothing = await runStudy(
      study,
      options('cut', { onResult: () => expect.unreachable('there is nothing left to compute') }),
    );
    expect(essence(nothing)).toEqual(essence(again));
  });

  it('ignores lines that are no results, and says what is missing without computing', async () => {
    const out = join(folder, 'partial');
    mkdirSync(out);
    appendFileSync(join(out, 'results.jsonl'), '{"id":"half');
    const { done, missing } = await runStudy(study, options('partial', { compute: false }));
    expect(done).toHaveLength(0);
    expect(missing).toBe(12);
  });

  it('a random rotation of every upload hurts plain averaging and not fedrot-exact', async () => {
    const scrambled = parseStudy({
      ...study,
      partition: { kind: 'iid' },
      methods: ['fedit', 'fedrot-exact'],
      scramble: true,
      seeds: [0],
    });
    const { done } = await runStudy(scrambled, options('scrambled'));
    const [fedit, exact] = summarize(done, 'fedit')[0]!.methods;
    expect(exact!.squaredError!.mean).toBeLessThan(0.1 * exact!.squaredErrorFedit!.mean);
    expect(exact!.squaredError!.mean).toBeCloseTo(exact!.squaredErrorBound!.mean, 4);
    expect(fedit!.squaredError!.mean).toBe(fedit!.squaredErrorFedit!.mean);
  });

  it('silos that start from adapters of their own drift further apart than from a common one', async () => {
    const starts = parseStudy({
      ...study,
      methods: 'fedrot-exact',
      start: ['common', 'own'],
      rounds: 1,
      seeds: [0],
    });
    const { done } = await runStudy(starts, options('starts'));
    const plain = done.map(({ versions }) => versions[1]!.squaredErrorFedit!);
    expect(plain[1]).toBeGreaterThan(plain[0]!);
  });

  it('draws the silos of each round where only some take part', async () => {
    const some = parseStudy({ ...study, silos: 5, fraction: 0.4, methods: 'fedit', seeds: [0] });
    const { done } = await runStudy(some, options('some'));
    for (const { outcome, versions } of done) {
      expect(outcome).toBe('finished');
      expect(versions).toHaveLength(4);
    }
  });

  it('runs methods whose silos merge versions or keep a factor, and scores every silo', async () => {
    const personal = parseStudy({
      ...study,
      partition: { kind: 'dirichlet', alpha: 0.5 },
      methods: ['fedit', 'flora', 'fedex', 'fedsa'],
      rounds: 2,
      localSteps: 8,
      seeds: [0],
      evaluation: { perSilo: 0.25 },
    });
    const { done } = await runStudy(personal, options('personal'));
    const byName = new Map(done.map((result) => [result.trial.method, result]));
    for (const { outcome, versions } of done) {
      expect(outcome).toBe('finished');
      expect(versions[0]!.silos).toBeUndefined();
      expect(Object.keys(versions[1]!.silos!)).toEqual(['silo-1', 'silo-2', 'silo-3']);
      expect(versions[2]!.accuracy).toBeGreaterThan(0.7);
    }
    // After round 1 both models are base + s ΔW*, one merged as it is, one as the mean and what it misses: the same to rounding.
    const [flora, fedex] = ['flora', 'fedex'].map((name) => byName.get(name)!.versions[1]!);
    expect(Math.abs(flora!.loss! / fedex!.loss! - 1)).toBeLessThan(1e-4);
    expect(flora!.silos).toEqual(fedex!.silos);
    expect(flora!.loss).not.toBe(byName.get('fedit')!.versions[1]!.loss);
    expect(existsSync(join(folder, 'personal-cache/bases'))).toBe(true);
    expect(readdirSync(join(folder, 'personal-cache/bases'))).toEqual([]);
    const { methods } = summarize(done, 'fedit')[0]!;
    for (const { worstSilo, spread, method } of methods) {
      const scores = Object.values(byName.get(method)!.versions[2]!.silos!);
      expect(worstSilo!.mean).toBe(Math.min(...scores));
      expect(spread!.mean).toBeCloseTo(Math.max(...scores) - Math.min(...scores), 12);
    }
  });

  it('gives silos ranks of their own, and refuses methods that need the same one', async () => {
    const mixed = parseStudy({
      ...study,
      partition: { kind: 'iid' },
      methods: ['flexlora', 'hetlora', 'fedrot-exact'],
      rank: 4,
      siloRanks: [1, 4],
      rounds: 2,
      seeds: [0],
    });
    const { done } = await runStudy(mixed, options('mixed'));
    const same = await runStudy(
      parseStudy({ ...mixed, siloRanks: undefined, methods: 'fedrot-exact' }),
      options('mixed-same'),
    );
    for (const { outcome, versions } of done) {
      expect(outcome).toBe('finished');
      expect(versions[2]!.squaredErrorBound).toBeLessThanOrEqual(versions[2]!.squaredError! + 1e-9);
    }
    // Two silos of rank 1 and one of rank 4: ΔW* has rank 6 at most, not 12.
    expect(done[2]!.versions[1]!.squaredErrorBound).toBeLessThan(
      same.done[0]!.versions[1]!.squaredErrorBound!,
    );
    const refused = parseStudy({ ...study, rank: 4, siloRanks: [2], methods: ['fedit', 'fedsa'] });
    await expect(runStudy(refused, options('refused'))).rejects.toMatchObject({
      code: 'option_invalid',
      message: expect.stringMatching(/siloRanks: fed(it|sa) needs the same rank/) as string,
    });
  });

  it('refuses what cannot be run before it computes anything', async () => {
    expect(codeOf(() => parseStudy({ ...study, methods: [] }))).toBe('config_invalid');
    const missing = {
      ...study,
      data: study.data.map((one) => ({ ...one, train: join(folder, 'none.jsonl') })),
    };
    await expect(runStudy(missing, options('missing'))).rejects.toMatchObject({ code: 'data_invalid' });
  });
});

describe('studyReport', () => {
  it('is one page without references, with a chart of each kind and every method in its table', async () => {
    const { done } = await once();
    const html = studyReport({
      name: 'tiny <study>',
      baseline: 'fedit',
      results: done,
      missing: 0,
      command: 'fedrot simulate --config tiny.yaml',
      software: 'fedrot 0',
      settings: [['rank', '2']],
    });
    expect(html).toContain('tiny &lt;study&gt;');
    expect(html).not.toMatch(/(?:src|href)=/);
    expect(html).not.toContain('NaN');
    for (const text of [
      'Accuracy: dirichlet 0.5',
      'Aggregation error: field who',
      'rank-r bound',
      'fedrot-exact',
      'fedrot simulate --config tiny.yaml',
    ])
      expect(html).toContain(text);
    expect(html).toContain('class="band"');
  });
});
