import { randomRotation } from '../../../src/align/random-rotation.js';
import { rotateFactors } from '../../../src/align/rotate.js';
import type { AggregateInput, Factors, WeightedUpdate } from '../../../src/align/types.js';
import { type Random } from '../../../src/random.js';
import { memorySource } from '../../../src/tensor/encode-file.js';
import { readTensors } from '../../../src/tensor/read-tensors.js';
import type { NamedTensor, TensorSource } from '../../../src/tensor/tensor.js';
import { blend, fromFlat, frobenius, minus, times, type Dense } from './dense.js';

export interface Shape {
  readonly r: number;
  readonly in: number;
  readonly out: number;
}

export const normals = (random: Random, n: number, deviation = 1): Float32Array =>
  Float32Array.from({ length: n }, () => random.normal(0, deviation));

export function randomFactors(random: Random, shape: Shape, deviation = 1): Factors {
  return {
    ...shape,
    a: normals(random, shape.r * shape.in, deviation),
    b: normals(random, shape.out * shape.r, deviation),
  };
}

/** Factors near others: each element moved by a normal of the given deviation. */
export function nearFactors(random: Random, from: Factors, deviation: number): Factors {
  return {
    ...from,
    a: from.a.map((value) => value + random.normal(0, deviation)),
    b: from.b.map((value) => value + random.normal(0, deviation)),
  };
}

export const scrambled = (random: Random, factors: Factors): Factors =>
  rotateFactors(factors, randomRotation(factors.r, random));

/** An adapter of modules m0, m1, … and dense tensors. */
export function adapter(modules: readonly Factors[], dense: readonly NamedTensor[] = []): TensorSource {
  return memorySource([
    ...modules.flatMap(({ a, b, r, in: inputs, out }, i) => [
      { name: `base_model.model.m${i}.lora_A.weight`, shape: [r, inputs], data: a },
      { name: `base_model.model.m${i}.lora_B.weight`, shape: [out, r], data: b },
    ]),
    ...dense,
  ]);
}

/** Updates of silos s00, s01, … with one adapted module each. */
export function updatesOf(silos: readonly Factors[], weights = silos.map(() => 1)): WeightedUpdate[] {
  return silos.map((factors, i) => ({
    silo: `s${String(i).padStart(2, '0')}`,
    weight: weights[i]!,
    tensors: adapter([factors]),
  }));
}

export function inputOf(
  previous: Factors,
  silos: readonly Factors[],
  rest: Partial<AggregateInput> = {},
): AggregateInput {
  return {
    method: 'fedrot',
    options: {},
    round: 2,
    seed: 1,
    previous: adapter([previous]),
    updates: updatesOf(silos),
    ...rest,
  };
}

/** The published factors of module m0. */
export function publishedFactors(tensors: readonly NamedTensor[], module = 0): Factors {
  const a = tensors.find(({ name }) => name.endsWith(`m${module}.lora_A.weight`))!;
  const b = tensors.find(({ name }) => name.endsWith(`m${module}.lora_B.weight`))!;
  return { a: a.data, b: b.data, r: a.shape[0]!, in: a.shape[1]!, out: b.shape[0]! };
}

/** B · A as a full matrix. */
export const product = ({ a, b, r, in: inputs, out }: Factors): Dense =>
  times(fromFlat(b, out, r), fromFlat(a, r, inputs));

/** Σ p_i B_i A_i as a full matrix. */
export function exactMean(silos: readonly Factors[], weights = silos.map(() => 1)): Dense {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return blend(
    weights.map((weight) => weight / sum),
    silos.map(product),
  );
}

/** ‖B̃Ã − ΔW*‖_F / ‖ΔW*‖_F by full matrices. */
export function denseError(published: Factors, silos: readonly Factors[], weights?: number[]): number {
  const target = exactMean(silos, weights);
  return frobenius(minus(product(published), target)) / frobenius(target);
}

export const relativeDistance = (x: Dense, y: Dense): number => frobenius(minus(x, y)) / frobenius(y);

/** What silos merge into their base, of module m0. */
export function mergedFactors(merge: TensorSource | undefined, module = 0): Factors | undefined {
  if (!merge) return undefined;
  return publishedFactors(readTensors(merge), module);
}

/** An update without the factor that a method does not ask for. */
export function only(side: 'both' | 'a' | 'b', tensors: TensorSource): TensorSource {
  if (side === 'both') return tensors;
  const other = side === 'a' ? 'lora_B' : 'lora_A';
  const kept = tensors.tensors.filter(({ name }) => !name.includes(other));
  return memorySource(kept.map(({ name, shape }) => ({ name, shape, data: tensors.read(name) })));
}
