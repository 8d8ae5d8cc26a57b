import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { progressText } from '../../src/cli/simulate/progress.js';
import { tinyCheckpoint } from '../model/tiny-bundle.js';
import { cli } from './support/context.js';

let folder: string;
let config: string;

const mails = (count: number): string =>
  Array.from({ length: count }, (_, i) =>
    i % 2 === 0 ? 'free cheap offer,spam\n' : 'meeting tomorrow list,ham\n',
  ).join('');

beforeAll(async () => {
  folder = await tinyCheckpoint();
  writeFileSync(join(folder, 'train.csv'), `text,label\n${mails(40)}`);
  writeFileSync(join(folder, 'test.csv'), `text,label\n${mails(10)}`);
  config = join(folder, 'study.yaml');
  writeFileSync(
    config,
    stringify({
      name: 'mails',
      model: { checkpoint: 'checkpoint', head: 'new' },
      data: { name: 'mails', train: 'train.csv', test: 'test.csv', maxTokens: 8 },
      silos: 2,
      rank: 2,
      localSteps: 2,
      rounds: 2,
      partition: { kind: 'iid' },
    }),
  );
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const simulate = (...more: string[]) =>
  cli([
    'simulate',
    '--config',
    config,
    '--out',
    join(folder, 'out'),
    '--cache',
    join(folder, 'cache'),
    '--workers',
    '1',
    ...more,
  ]);

describe('fedrot simulate', () => {
  it('runs a study from a file, prints the table, and writes results and report', async () => {
    const { code, out, err } = await simulate();
    expect(err).toContain('0 of 2 trials');
    expect(code).toBe(0);
    expect(out).toMatch(/^setting +method +trials +round 1, % +against fedit/);
    expect(out).toMatch(/fedrot +1 +/);
    expect(readFileSync(join(folder, 'out/results.jsonl'), 'utf8').trim().split('\n')).toHaveLength(2);
    const report = readFileSync(join(folder, 'out/report.html'), 'utf8');
    expect(report).toContain('<h1>fedrot simulate: mails</h1>');
    expect(report).toContain(`Node ${process.versions.node}`);
  });

  it('prints what is there as JSON without computing', async () => {
    const { code, out } = await simulate('--report-only', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      study: 'mails',
      missing: 0,
      methods: [{ method: 'fedit' }, { method: 'fedrot', trials: 1, failed: 0 }],
    });
  });

  it('says in one line what is wrong with a study', async () => {
    const bad = join(folder, 'bad.yaml');
    writeFileSync(bad, 'name: x\nrank: none\n');
    const { code, err } = await cli(['simulate', '--config', bad]);
    expect(code).toBe(1);
    expect(err.trim().split('\n')).toHaveLength(1);
    expect(err).toContain('bad.yaml');
  });
});

describe('progressText', () => {
  it('says how many trials are done and, once steps are, how long the rest takes', () => {
    const trials = { done: 3, total: 8 };
    expect(progressText({ trials, steps: { done: 0, total: 100 } }, 1000)).toBe('3 of 8 trials');
    expect(progressText({ trials, steps: { done: 25, total: 100 } }, 20_000)).toBe(
      '3 of 8 trials, 1 min 0 s to go',
    );
    expect(progressText({ trials, steps: { done: 100, total: 100 } }, 20_000)).toBe('3 of 8 trials');
  });
});
