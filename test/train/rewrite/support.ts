import { expect } from 'vitest';
import { GraphBuilder, type Attributes } from '../../../src/train/ir/builder.js';
import { encodeModel } from '../../../src/train/ir/codec.js';
import type { Dim, ElementType, Model } from '../../../src/train/ir/graph.js';
import { openRuntime, type RuntimeData, type RuntimeTensor } from '../../../src/train/ort.js';
import { needsRewrite, rewriteModel } from '../../../src/train/rewrite/rewrite.js';
import { probeTypes } from '../../../src/train/shapes/probe.js';
import { sizeOf, uniform } from '../support/random.js';

export interface Operand {
  readonly dims: readonly number[];
  /** Default float with random numbers. */
  readonly type?: ElementType;
  readonly data?: readonly number[];
  /** Dimensions that stay numbers in the model; default: the first two are known only at run time. */
  readonly fixed?: boolean;
}

export interface RewriteCase {
  readonly op: string;
  readonly domain?: string;
  readonly opset?: number;
  readonly attributes?: Attributes;
  /** In the operator's order; undefined leaves one out. */
  readonly inputs: readonly (Operand | undefined)[];
  /** Which outputs are compared; default the first. */
  readonly outputs?: readonly number[];
  /** Element types of outputs that are not float. */
  readonly outputTypes?: Readonly<Record<number, ElementType>>;
  /** Entries of the first output that count; default all. */
  readonly counts?: (at: number) => boolean;
}

function typed(type: ElementType, values: readonly number[]): RuntimeData {
  if (type === 'int64') return BigInt64Array.from(values, BigInt);
  if (type === 'int32') return Int32Array.from(values);
  if (type === 'bool') return Uint8Array.from(values);
  return Float32Array.from(values);
}

/** A model of this one node. */
export function singleNode(test: RewriteCase): { model: Model; feeds: Record<string, RuntimeTensor> } {
  const { op, domain = '', opset = 18, attributes = {}, inputs, outputs = [0] } = test;
  const builder = new GraphBuilder({ opset });
  const feeds: Record<string, RuntimeTensor> = {};
  const names = inputs.map((operand, i) => {
    if (operand === undefined) return '';
    const { dims, type = 'float', data } = operand;
    const name = `x${i}`;
    feeds[name] = { type, dims, data: typed(type, data ?? [...uniform(10 + i, sizeOf(dims))]) };
    // Sizes that only the input knows: prime, so that the same size is the same dimension.
    const open = dims.map((dim): Dim => (dim > 1 && [3, 5, 7].includes(dim) ? `size_${dim}` : dim));
    return builder.input(name, type, operand.fixed === true ? dims : open);
  });
  const last = Math.max(...outputs);
  const results = Array.from({ length: last + 1 }, (_, i) => (outputs.includes(i) ? `y${i}` : ''));
  builder.op(domain === '' ? op : `${domain}::${op}`, names, attributes, results);
  const model = builder.build();
  const infos = outputs.map((i) => ({
    name: `y${i}`,
    type: test.outputTypes?.[i] ?? ('float' as const),
    dims: [],
    unknownRank: true,
  }));
  return { model: { ...model, graph: { ...model.graph, outputs: infos } }, feeds };
}

async function run(
  model: Model,
  feeds: Record<string, RuntimeTensor>,
  outputs: readonly string[],
): Promise<Record<string, RuntimeTensor>> {
  const runtime = await openRuntime(encodeModel(model), { optimization: 'disabled' });
  try {
    return await runtime.run(feeds, outputs);
  } finally {
    await runtime.close();
  }
}

/** ONNX Runtime's own kernel is the judge: what is written out gives the same numbers, to float32 rounding. */
export async function checkRewrite(test: RewriteCase, tolerance = 2e-6): Promise<void> {
  const { model, feeds } = singleNode(test);
  expect(needsRewrite(model)).toBe(true);
  const rewritten = rewriteModel(model, await probeTypes(model));
  expect(rewritten.graph.nodes.map(({ op, domain }) => `${domain}::${op}`)).not.toContain(
    `${test.domain ?? ''}::${test.op}`,
  );
  const names = (test.outputs ?? [0]).map((i) => `y${i}`);
  const [expected, actual] = [await run(model, feeds, names), await run(rewritten, feeds, names)];
  for (const name of names) {
    const [theirs, ours] = [expected[name], actual[name]];
    expect(ours?.dims, name).toEqual(theirs?.dims);
    let [worst, scale] = [0, 0];
    theirs?.data.forEach((value, i) => {
      if (name === 'y0' && test.counts?.(i) === false) return;
      const difference = Math.abs(Number(value) - Number(ours?.data[i]));
      worst = difference <= worst ? worst : difference;
      scale = Math.max(scale, Math.abs(Number(value)));
    });
    if (name === 'y0') expect(scale, `${name} is not all zero`).toBeGreaterThan(0);
    expect(worst / Math.max(scale, 1e-3), name).toBeLessThan(tolerance);
  }
}
