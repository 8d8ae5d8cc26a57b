import { describe, expect, it } from 'vitest';
import { checkMethod, instructions, METHODS } from '../../src/align/methods.js';
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
    });
    expect(checkMethod('fedit', undefined).options).toEqual({});
  });

  it.each<[string, unknown, RegExp]>([
    ['fedavg', {}, /no aggregation method "fedavg"; the methods are .*fedrot.*fedit/],
    [
      'fedrot',
      { lambda: 2 },
      /fedrot: lambda: .*its options are lambda, reference, first, reflections, start/,
    ],
    ['fedrot', { lambda: 'much' }, /lambda/],
    ['fedrot', { lambda: Number.NaN }, /lambda/],
    ['fedrot', { reference: 'c' }, /reference: .*"alternate"/],
    ['fedrot', { lamda: 0.5 }, /lamda.*its options are lambda/],
    ['fedrot', { reflections: true, lambda: 0.5 }, /lambda: must be 1 or auto where reflections are kept/],
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

  it('asks silos to train both factors', () => {
    expect(instructions('fedrot', {}, 3)).toEqual({ train: 'both' });
    expect(instructions('fedit', {}, 1)).toEqual({ train: 'both' });
  });
});
