import { describe, expect, it } from 'vitest';
import { aggregate } from '../../src/align/aggregate.js';
import { fastKernels } from '../../src/align/fast-kernels.js';
import { checkMethod, METHODS } from '../../src/align/methods.js';
import { Random } from '../../src/random.js';
import { readRepoFile } from '../support/repo.js';
import {
  denseError,
  inputOf,
  nearFactors,
  publishedFactors,
  randomFactors,
  scrambled,
} from './support/federation.js';
import { strongest } from './support/strongest.js';

const methods = [...METHODS, strongest];

describe('the example of docs/methods.md, a method in one file', () => {
  it('is printed there as it is run here', () => {
    const source = readRepoFile('test/align/support/strongest.ts').replaceAll("'../../../src/align/", "'../");
    expect(readRepoFile('docs/methods.md')).toContain(`\`\`\`ts\n${source.trimEnd()}\n\`\`\``);
  });

  it('is found by its name, and its options are checked', () => {
    expect(checkMethod('strongest', {}, methods).options).toEqual({ side: 'a' });
    expect(() => checkMethod('strongest', { side: 'c' }, methods)).toThrow(/strongest: side: .*its options are side/);
    expect(() => checkMethod('strongest', {})).toThrow(/there is no aggregation method/);
  });

  it('brings silos together without a reference, composes with robust steps and optimizers, is measured', () => {
    const random = Random.of('strongest');
    const center = randomFactors(random, { r: 3, in: 20, out: 15 });
    const start = { ...center, b: new Float32Array(45) };
    const silos = Array.from({ length: 6 }, () => scrambled(random, nearFactors(random, center, 0.05)));
    const run = (rest: object = {}): ReturnType<typeof aggregate> =>
      aggregate(inputOf(start, silos, { method: 'strongest', round: 1, ...rest }), fastKernels(), methods);
    const { tensors, diagnostics } = run();
    expect(diagnostics.aggregationError! / diagnostics.aggregationErrorFedit!).toBeLessThan(0.1);
    expect(diagnostics.aggregationError).toBeCloseTo(denseError(publishedFactors(tensors), silos), 6);
    const robust = run({ robust: { combine: { kind: 'median' } } });
    expect(denseError(publishedFactors(robust.tensors), silos)).toBeLessThan(0.1);
    expect(run({ serverOptimizer: { kind: 'fedavgm', learningRate: 1, momentum: 0.9 } }).state).toHaveLength(2);
  });
}); // prettier-ignore
