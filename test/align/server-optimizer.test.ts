import { describe, expect, it } from 'vitest';
import { aggregate } from '../../src/align/aggregate.js';
import { aggregationSchema } from '../../src/aggregation-spec.js';
import type { ServerOptimizerSpec } from '../../src/run-spec.js';
import { Random } from '../../src/random.js';
import { memorySource } from '../../src/tensor/encode-file.js';
import type { NamedTensor, TensorSource } from '../../src/tensor/tensor.js';
import {
  adapter,
  inputOf,
  nearFactors,
  only,
  publishedFactors,
  randomFactors,
} from './support/federation.js';

type Filled = Record<string, number> & { kind: string };

const filled = (kind: string, rest: object = {}): ServerOptimizerSpec =>
  aggregationSchema.parse({ serverOptimizer: { kind, ...rest } }).serverOptimizer!;

/** Algorithm 2 of arXiv 2003.00295 for one number, written out. */
class Oracle {
  m = 0;
  v: number;
  x: number;

  constructor(
    x: number,
    readonly o: Filled,
  ) {
    this.x = x;
    this.v = (o.tau ?? 0) ** 2;
  }

  step(combined: number): number {
    const { kind, learningRate = 0, momentum = 0, beta1 = 0, beta2 = 0, tau = 0 } = this.o;
    const delta = combined - this.x;
    if (kind === 'fedavgm') {
      this.m = momentum * this.m + delta;
      return (this.x += learningRate * this.m);
    }
    this.m = beta1 * this.m + (1 - beta1) * delta;
    if (kind === 'fedadagrad') this.v += delta * delta;
    if (kind === 'fedadam') this.v = beta2 * this.v + (1 - beta2) * delta * delta;
    if (kind === 'fedyogi') this.v -= (1 - beta2) * delta * delta * Math.sign(this.v - delta * delta);
    return (this.x += (learningRate * this.m) / (Math.sqrt(this.v) + tau));
  }
}

const SHAPE = { r: 2, in: 6, out: 5 };

describe('server optimizers', () => {
  it.each([
    filled('fedavgm'),
    filled('fedavgm', { learningRate: 0.5, momentum: 0 }),
    filled('fedadagrad'),
    filled('fedadam'),
    filled('fedyogi'),
    filled('fedadam', { learningRate: 0.1, tau: 0.1, beta1: 0, beta2: 0.5 }),
  ])('%j follows its formula over rounds, heads included, its moments handed on', (serverOptimizer) => {
    const random = Random.of('optimizer', serverOptimizer.kind);
    const head = (): NamedTensor => ({ name: 'head.bias', shape: [3], data: Float32Array.of(random.normal(), 0, 1) });
    const start = adapter([randomFactors(random, SHAPE)], [head()]);
    const oracles = new Map(
      start.tensors.map(({ name }) => [
        name,
        [...start.read(name)].map((x) => new Oracle(x, serverOptimizer as unknown as Filled)),
      ]),
    );
    let previous: TensorSource = start;
    let state: TensorSource | undefined;
    for (let round = 1; round <= 5; round++) {
      const update = adapter([randomFactors(random, SHAPE)], [head()]);
      const input = { method: 'fedit', round, previous, updates: [{ silo: 's', weight: 1, tensors: update }] };
      const result = aggregate(inputOf(randomFactors(random, SHAPE), [], { ...input, serverOptimizer, state }));
      expect(result.tensors.map(({ name }) => name)).toEqual(start.tensors.map(({ name }) => name));
      for (const { name, data } of result.tensors)
        data.forEach((value, i) => {
          const expected = oracles.get(name)![i]!.step(update.read(name)[i]!);
          expect(Math.abs(value - expected)).toBeLessThan(2e-6 * (1 + Math.abs(expected)));
        });
      previous = memorySource(result.tensors);
      state = memorySource(result.state!);
    }
  }); // prettier-ignore

  it('momentum 0 and rate 1 publish what the method made; without an optimizer there is no state', () => {
    const random = Random.of('identity');
    const previous = randomFactors(random, SHAPE);
    const silos = [0, 1].map(() => nearFactors(random, previous, 0.2));
    const plain = aggregate(inputOf(previous, silos));
    expect(plain.state).toBeUndefined();
    const stepped = aggregate(
      inputOf(previous, silos, { serverOptimizer: filled('fedavgm', { momentum: 0 }) }),
    );
    stepped.tensors.forEach(({ data }, t) =>
      data.forEach((value, i) => expect(value).toBeCloseTo(plain.tensors[t]!.data[i]!, 6)),
    );
    expect(stepped.diagnostics).toEqual(plain.diagnostics);
  });

  it('leaves a factor alone in the rounds that do not train it (rolora), and its moments', () => {
    const random = Random.of('frozen');
    const serverOptimizer = filled('fedavgm');
    let previous = randomFactors(random, SHAPE);
    let state: TensorSource | undefined;
    for (let round = 1; round <= 4; round++) {
      const side = round % 2 === 1 ? 'b' : 'a';
      const silo = nearFactors(random, previous, 0.5);
      const updates = [{ silo: 's', weight: 1, tensors: only(side, adapter([silo])) }];
      const result = aggregate(inputOf(previous, [], { method: 'rolora', round, updates, serverOptimizer, state }));
      const published = publishedFactors(result.tensors);
      const frozen = side === 'a' ? 'b' : 'a';
      expect(published[frozen]).toEqual(previous[frozen]);
      expect(published[side]).not.toEqual(previous[side]);
      const moment = `server_optimizer.m.base_model.model.m0.lora_${frozen.toUpperCase()}.weight`;
      const now = memorySource(result.state!).read(moment);
      expect([...now]).toEqual([...(state?.read(moment) ?? new Float32Array(now.length))]);
      previous = published;
      state = memorySource(result.state!);
    }
  }); // prettier-ignore
});
