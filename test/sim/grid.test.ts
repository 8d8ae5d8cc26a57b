import { describe, expect, it } from 'vitest';
import { expandGrid, trialId } from '../../src/sim/grid.js';
import { parseStudy } from '../../src/sim/study.js';
import { codeOf } from '../support/code-of.js';

const base = {
  name: 'grid',
  model: { bundle: 'bundle' },
  data: { name: 'mails', train: 'train.jsonl', test: 'test.jsonl' },
};
const grid = (changes: object) => expandGrid(parseStudy({ ...base, ...changes }));
const content = { data: 'd', bundle: 'b' };

describe('expandGrid', () => {
  it('has every combination once, methods innermost and seeds outermost', () => {
    const trials = grid({
      methods: ['fedit', 'fedrot'],
      rank: [2, 4, 8],
      partition: [{ kind: 'iid' }, { kind: 'dirichlet', alpha: 0.1 }],
      seeds: [0, 1],
    });
    expect(trials).toHaveLength(24);
    expect(new Set(trials.map((trial) => trialId(trial, content))).size).toBe(24);
    expect(trials.slice(0, 2).map(({ method }) => method)).toEqual(['fedit', 'fedrot']);
    expect(trials.map(({ seed }) => seed)).toEqual([
      ...Array<number>(12).fill(0),
      ...Array<number>(12).fill(1),
    ]);
  });

  it('takes a list of module names as one value, and several lists as several', () => {
    expect(grid({ targetModules: ['query', 'value'], methods: 'fedit' })).toHaveLength(1);
    const two = grid({ targetModules: [['query'], ['query', 'value']], methods: 'fedit' });
    expect(two.map(({ targetModules }) => targetModules)).toEqual([['query'], ['query', 'value']]);
  });

  it('puts learning rates in the place of the optimizers’ own', () => {
    const trials = grid({
      methods: 'fedit',
      optimizer: [{ kind: 'sgd', momentum: 0.9 }, { kind: 'adamw' }],
      learningRate: [0.1, 0.01],
    });
    expect(trials.map(({ optimizer }) => [optimizer.kind, optimizer.learningRate])).toEqual([
      ['sgd', 0.1],
      ['sgd', 0.01],
      ['adamw', 0.1],
      ['adamw', 0.01],
    ]);
  });

  it('names methods by their options, or as the study says', () => {
    const trials = grid({
      methods: [
        'fedrot',
        { method: 'fedrot', options: { lambda: 1 } },
        { method: 'fedrot', options: { lambda: 0.5 }, name: 'half' },
      ],
    });
    expect(trials.map(({ methodName }) => methodName)).toEqual(['fedrot', 'fedrot, lambda 1', 'half']);
  });

  it.each<[string, object, string]>([
    ['an unknown method', { methods: 'nothing' }, 'option_invalid'],
    [
      'an option that the method lacks',
      { methods: { method: 'fedit', options: { lambda: 1 } } },
      'option_invalid',
    ],
    ['ranks that a method does not take', { methods: 'fedsa', siloRanks: [2] }, 'option_invalid'],
    ['robust steps on a method that does not average', { methods: 'flexlora', robust: {} }, 'option_invalid'],
    ['an unknown key', { lerningRate: 1 }, 'config_unknown_key'],
    ['two methods with one name', { methods: ['fedit', 'fedit'] }, 'config_invalid'],
    ['bundle and checkpoint', { model: { bundle: 'a', checkpoint: 'b' } }, 'config_invalid'],
  ])('refuses %s', (_name, changes, code) => {
    expect(codeOf(() => grid(changes))).toBe(code);
  });
});

describe('trialId', () => {
  it('depends on settings and content, not on what tables call the method', () => {
    const [plain] = grid({ methods: 'fedit' });
    const [named] = grid({ methods: { method: 'fedit', name: 'plain averaging' } });
    const [other] = grid({ methods: 'fedit', batchSize: 8 });
    expect(trialId(named!, content)).toBe(trialId(plain!, content));
    expect(trialId(other!, content)).not.toBe(trialId(plain!, content));
    expect(trialId(plain!, { ...content, data: 'e' })).not.toBe(trialId(plain!, content));
  });
});
