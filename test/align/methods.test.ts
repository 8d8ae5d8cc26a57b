import { describe, expect, it } from 'vitest';
import { siloInstructionsSchema } from '../../src/align/instructions.js';
import { checkAggregation, checkMethod, instructions, METHODS } from '../../src/align/methods.js';
import { codeOf } from '../support/code-of.js';

describe('the table of methods', () => {
  it('has every name once, with its source', () => {
    expect(new Set(METHODS.map(({ name }) => name)).size).toBe(METHODS.length);
    for (const { source } of METHODS) expect(source).not.toBe('');
  });

  it('fills in the defaults', () => {
    expect(checkMethod('fedrot', {}).options).toEqual({
      lambda: 'auto',
      reference: 'alternate',
      first: 'a',
      reflections: false,
      start: 'none',
      where: 'server',
    });
    expect(checkMethod('fedit', undefined).options).toEqual({});
  });

  it.each<[string, unknown, RegExp]>([
    ['fedavg', {}, /no aggregation method "fedavg"; the methods are .*fedrot.*fedit/],
    [
      'fedrot',
      { lambda: 2 },
      /fedrot: lambda: .*its options are lambda, reference, first, reflections, start, where/,
    ],
    ['fedrot', { lambda: 'much' }, /lambda/],
    ['fedrot', { lambda: Number.NaN }, /lambda/],
    ['fedrot', { reference: 'c' }, /reference: .*"alternate"/],
    ['fedrot', { lamda: 0.5 }, /lamda.*its options are lambda/],
    ['fedrot', { reflections: true, lambda: 0.5 }, /lambda: must be 1 or auto where reflections are kept/],
    ['fedrot', { where: 'silo' }, /lambda: must be a number where silos rotate/],
    ['fedrot', { where: 'silo', lambda: 1, start: 'consensus' }, /start: must be none where silos rotate/],
    ['rolora', { first: 'both' }, /rolora: first/],
    ['hetlora', { weights: 'mine' }, /hetlora: weights/],
    ['lora-fair', { steps: -1 }, /lora-fair: steps/],
    ['fedrot', [], /fedrot/],
    ['fedit', { lambda: 1 }, /fedit: .*lambda.*it has no options/],
  ])('refuses %s %j, saying what is allowed', (method, options, message) => {
    expect(codeOf(() => checkMethod(method, options))).toBe('option_invalid');
    expect(() => checkMethod(method, options)).toThrow(message);
  });

  it('accepts every allowed option', () => {
    for (const lambda of [0, 0.5, 1, 'auto'])
      for (const reference of ['alternate', 'a', 'b'])
        for (const first of ['a', 'b']) checkMethod('fedrot', { lambda, reference, first });
    for (const lambda of [1, 'auto']) checkMethod('fedrot', { lambda, reflections: true });
  });

  it('asks silos to train and to share what the method needs, round by round', () => {
    expect(instructions('fedit', {}, 1)).toEqual({ train: 'both' });
    expect(instructions('fedrot', {}, 3)).toEqual({ train: 'both', ownRank: 'svd' });
    expect(instructions('ffa', {}, 1)).toEqual({ train: 'b', share: 'b' });
    expect([1, 2, 3].map((round) => instructions('rolora', {}, round).train)).toEqual(['b', 'a', 'b']);
    expect(instructions('rolora', { first: 'a' }, 1)).toEqual({ train: 'a', share: 'a' });
    expect(instructions('fedsa', {}, 2)).toEqual({ train: 'both', share: 'a' });
    expect(instructions('flora', {}, 2)).toEqual({ train: 'both', ownRank: 'rows', merge: true });
    const silo = { where: 'silo', lambda: 0.5 };
    expect(instructions('fedrot', silo, 1).rotate).toBeUndefined();
    expect(instructions('fedrot', silo, 2).rotate).toEqual({ side: 'a', lambda: 0.5, reflections: false });
    expect(instructions('fedrot', silo, 3).rotate).toEqual({ side: 'b', lambda: 0.5, reflections: false });
  });

  it('sends instructions that a silo understands, of every method', () => {
    for (const { name } of METHODS)
      for (const round of [1, 2, 3]) {
        const sent = instructions(name, {}, round);
        expect(siloInstructionsSchema.parse(JSON.parse(JSON.stringify(sent)))).toEqual(sent);
      }
  });

  it('refuses steps that do not go with a method, and names those they go with', () => {
    const adam = { kind: 'fedavgm', learningRate: 1, momentum: 0.9 } as const;
    const median = { combine: { kind: 'median' } } as const;
    for (const { name, allows } of METHODS) {
      const check = (choice: object): string =>
        codeOf(() => checkAggregation({ method: name, options: {}, ...choice }));
      expect(check({ serverOptimizer: adam })).toBe(
        allows.serverOptimizer ? 'nothing thrown' : 'option_invalid',
      );
      expect(check({ robust: median })).toBe(allows.robust ? 'nothing thrown' : 'option_invalid');
    }
    expect(() => checkAggregation({ method: 'flora', options: {}, robust: median })).toThrow(
      /flora does not average.*fedrot, .*fedit/,
    );
  });
});
