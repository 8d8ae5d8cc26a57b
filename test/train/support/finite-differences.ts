import { expect } from 'vitest';
import { inlineConstants } from '../../../src/train/autodiff/constants.js';
import { differentiate } from '../../../src/train/autodiff/differentiate.js';
import { RULES } from '../../../src/train/autodiff/table.js';
import { GraphBuilder } from '../../../src/train/ir/builder.js';
import { encodeModel } from '../../../src/train/ir/codec.js';
import type { Dim, Model } from '../../../src/train/ir/graph.js';
import { openRuntime, type RuntimeTensor } from '../../../src/train/ort.js';
import { probeTypes } from '../../../src/train/shapes/probe.js';
import { expandForDouble } from './double-kernels.js';
import { sizeOf, uniform } from './random.js';
import { recordCase } from './rule-coverage.js';

export interface Operand {
  readonly dims: readonly number[];
  /** Range that the numbers are drawn from; default −1 to 1. */
  readonly range?: readonly [number, number];
  /** The numbers themselves, instead of random ones. */
  readonly data?: readonly number[];
  /** False where no gradient is asked for; default true. */
  readonly wanted?: boolean;
}

export interface GradientCase {
  readonly inputs: Readonly<Record<string, Operand>>;
  /** Builds on the inputs of those names and returns the value that is differentiated. */
  readonly build: (builder: GraphBuilder) => string;
  /** Opsets of ai.onnx to try; default 18. */
  readonly opsets?: readonly number[];
  /** True where the graph only fits these very shapes; else the case runs a second time with run-time dimensions. */
  readonly fixed?: boolean;
}

/** Every input size above 1 becomes a named dimension, equal sizes the same. */
function dynamicDims(dims: readonly number[]): Dim[] {
  return dims.map((dim) => (dim > 1 ? `size_${dim}` : dim));
}

/** One opset for each version of an operator that its rules claim (gradients are emitted from opset 11 on). */
export function claimedOpsets(op: string): number[] {
  const versions = RULES.filter((rule) => rule.op === op && (rule.domain ?? '') === '').flatMap(
    (rule) => rule.versions,
  );
  const sorted = [...new Set(versions)].sort((a, b) => a - b);
  return sorted
    .map((version, i) => ({ opset: Math.max(version, 11), next: sorted[i + 1] ?? Infinity }))
    .filter(({ opset, next }) => opset < next)
    .map(({ opset }) => opset);
}

/** Whether gradients of empty tensors can be emitted: before version 14, Reshape cannot say that a dimension is 0. */
export function sayableAt(...shapes: readonly (readonly number[])[]): (opset: number) => boolean {
  return (opset) => opset >= 14 || !shapes.flat().includes(0);
}

/** Compares every wanted gradient with central differences of Σ seed · y in float64, relative to its largest entry. */
export async function checkGradient(test: GradientCase, tolerance = 1e-6): Promise<void> {
  for (const opset of test.opsets ?? [18])
    for (const dynamic of test.fixed === true ? [false] : [false, true])
      await checkOnce(test, opset, dynamic, tolerance);
}

async function checkOnce(
  test: GradientCase,
  opset: number,
  dynamic: boolean,
  tolerance: number,
): Promise<void> {
  const base = new GraphBuilder({ opset });
  const feeds: Record<string, RuntimeTensor> = {};
  let seed = 1;
  for (const [name, { dims, data, range }] of Object.entries(test.inputs)) {
    base.input(name, 'double', dynamic ? dynamicDims(dims) : dims);
    feeds[name] = {
      type: 'double',
      dims,
      data: data === undefined ? uniform(seed++, sizeOf(dims), range) : Float64Array.from(data),
    };
  }
  const y = test.build(base);
  const model = base.build();
  const types = await probeTypes(expandForDouble(model));
  const wanted = Object.entries(test.inputs).flatMap(([name, operand]) =>
    operand.wanted === false ? [] : [name],
  );

  const forward = await openRuntime(encodeModel(expandForDouble(withOutputs(model, [y]))), {
    optimization: 'disabled',
  });
  const value = await forward.run(feeds, [y]);
  const yDims = value[y]?.dims ?? [];
  const weights = uniform(1000, sizeOf(yDims));
  const objective = async (): Promise<number> => {
    const result = (await forward.run(feeds, [y]))[y];
    let sum = 0;
    (result?.data as Float64Array).forEach((entry, i) => (sum += entry * (weights[i] ?? 0)));
    return sum;
  };

  const builder = GraphBuilder.from(model, { outputs: [] });
  const seedInput = builder.input('test/seed', 'double', dynamic ? yDims.map(() => '') : yDims);
  const gradients = differentiate({
    model,
    builder,
    types,
    constants: inlineConstants(model.graph),
    seeds: new Map([[y, seedInput]]),
    wanted,
  });
  const names = wanted.map((name) => gradients.get(name) ?? name);
  for (const name of wanted) expect(gradients.has(name), `${name} has a gradient`).toBe(true);
  const backward = await openRuntime(encodeModel(expandForDouble(withOutputs(builder.build(), names))), {
    optimization: 'disabled',
  });
  const results = await backward.run(
    { ...feeds, 'test/seed': { type: 'double', dims: yDims, data: weights } },
    names,
  );

  for (const [i, name] of wanted.entries()) {
    const feed = feeds[name];
    const analytic = results[names[i] ?? ''];
    const label = `d ${name} at opset ${opset}, ${dynamic ? 'run-time' : 'fixed'} dimensions`;
    expect(analytic?.dims, label).toEqual(feed?.dims);
    const data = feed?.data as Float64Array;
    const numeric = new Float64Array(data.length);
    for (let at = 0; at < data.length; at++) {
      const before = data[at] ?? 0;
      const step = 1e-5 * Math.max(1, Math.abs(before));
      data[at] = before + step;
      const up = await objective();
      data[at] = before - step;
      const down = await objective();
      data[at] = before;
      numeric[at] = (up - down) / (2 * step);
    }
    expect(worstDifference(analytic?.data as Float64Array, numeric), label).toBeLessThan(tolerance);
  }
  await forward.close();
  await backward.close();
  recordCase(model, types, dynamic);
}

/** Largest difference relative to the larger tensor's largest entry (at least 1e-4, so that zeros compare absolutely). */
export function worstDifference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(actual.length).toBe(expected.length);
  let worst = 0;
  let scale = 1e-4;
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs((actual[i] ?? NaN) - (expected[i] ?? NaN));
    worst = difference <= worst ? worst : difference;
    scale = Math.max(scale, Math.abs(expected[i] ?? 0));
  }
  return worst / scale;
}

function withOutputs(model: Model, names: readonly string[]): Model {
  const outputs = names.map((name) => ({ name, type: 'double' as const, dims: [], unknownRank: true }));
  return { ...model, graph: { ...model.graph, outputs } };
}
