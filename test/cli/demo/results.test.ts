import { describe, expect, it } from 'vitest';
import { reasonIn } from '../../../src/cli/demo/children.js';
import { demoReport } from '../../../src/cli/demo/demo-report.js';
import { barText, barValue } from '../../../src/cli/demo/display.js';
import { summarize } from '../../../src/cli/demo/summary.js';
import { evaluation, round, snapshot } from '../support/runs.js';

const run = snapshot({
  state: 'RUN_STATE_FINISHED',
  phase: 'done',
  rounds: [round(1), round(2)],
  evaluations: [evaluation(0, 0.3), evaluation(1, 0.8), evaluation(2, 0.95)],
});
const silos = [
  { name: 'silo-1', examples: 100, spam: 10 },
  { name: 'silo-2', examples: 50, spam: 40 },
];
const summary = summarize({
  run,
  method: 'fedrot',
  rank: 4,
  seed: 1,
  baseModelSha256: 'b'.repeat(64),
  silos,
  adapterSha256: 'a'.repeat(64),
});

describe('summary.json', () => {
  it('has exactly the keys that it promises', () => {
    expect(Object.keys(summary)).toEqual([
      'run',
      'method',
      'rank',
      'seed',
      'base_model_sha256',
      'silos',
      'initial_accuracy',
      'final_accuracy',
      'adapter_sha256',
      'rounds',
    ]);
    expect(Object.keys(summary.silos[0] ?? {})).toEqual(['name', 'examples']);
    expect(summary.rounds[1]).toEqual({
      round: 2,
      accuracy: 0.95,
      loss: expect.closeTo(0.05, 12) as number,
      seconds: 4,
      updates: 2,
      bytes_received: 2000,
      aggregation_error: 0.25,
      aggregation_error_fedit: 0.5,
    });
    expect(summary).toMatchObject({ initial_accuracy: 0.3, final_accuracy: 0.95, run: 'spam' });
  });
});

describe('report.html', () => {
  const data = { silos, test: 200, majority: 0.76, distinct: 350 };
  const html = demoReport({ run, summary, data, scrambled: true, elapsedMs: 100_000 });

  it('draws accuracy, loss and error by round, and compares', () => {
    for (const title of ['Accuracy', 'Loss', 'Aggregation error'])
      expect(html).toContain(`<h2>${title}</h2>`);
    expect(html).toContain('global adapter, round 2: 95.0 %');
    expect(html).toContain('always the majority class, round 0: 76.0 %');
    expect(html).toContain('fedrot, round 1: 0.25');
    expect(html).toContain('plain averaging, round 1: 0.50');
    expect(html).toContain('in a random basis');
  });

  it('does not compare plain averaging with itself', () => {
    const fedit = demoReport({
      run,
      summary: { ...summary, method: 'fedit' },
      data,
      scrambled: false,
      elapsedMs: 1,
    });
    expect(fedit.match(/plain averaging, round 1: /g)).toHaveLength(1);
    expect(fedit).not.toContain('fedrot, round 1');
  });
});

describe('bars', () => {
  const task = { silo: 'silo-1', state: 'training', step: 7, totalSteps: 20, loss: 0.51234, message: '' };
  it('say how far a silo is', () => {
    expect(barText(task, 'collecting')).toBe('training  loss 0.512');
    expect(barValue(task, 20)).toBe(7);
    expect(barValue({ ...task, state: 'done', step: 18 }, 20)).toBe(20);
    expect(barValue(undefined, 20)).toBe(0);
    expect(barText(undefined, 'evaluating')).toContain('waits for the score');
    expect(barText({ ...task, state: 'failed', step: 0 }, 'collecting')).toContain('failed');
  });
});

describe('reasonIn', () => {
  it.each<[string, string | undefined, string]>([
    ['nothing', undefined, ''],
    ['only good news', undefined, '{"level":30,"msg":"ready"}\n'],
    [
      'the last line that is no log',
      'data.jsonl: no such file',
      '{"level":30,"msg":"x"}\nfedrot: data.jsonl: no such file\n',
    ],
    [
      'the last error with its cause',
      'it broke: disk full',
      '{"level":50,"msg":"old"}\n{"level":50,"msg":"it broke","err":{"message":"disk full"}}\n{"level":30,"msg":"bye"}\n',
    ],
    ['a cut line', '{"level":50,"msg', '{"level":30,"msg":"x"}\n{"level":50,"msg'],
  ])('%s', (_name, reason, log) => {
    expect(reasonIn(log)).toBe(reason);
  });
});
