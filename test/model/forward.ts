import { InferenceSession, Tensor } from 'onnxruntime-node';
import { encodeModel } from '../../src/train/ir/codec.js';
import type { Model } from '../../src/train/ir/graph.js';

/** Runs a model whose weights are inline on int64 inputs; rows of the named output. */
export async function forward(
  model: Model,
  inputs: Readonly<Record<string, readonly (readonly number[])[]>>,
  output = 'logits',
): Promise<{ dims: readonly number[]; data: Float32Array }> {
  const session = await InferenceSession.create(encodeModel(model), { intraOpNumThreads: 1 });
  const feeds = Object.fromEntries(
    session.inputNames.map((name) => {
      const rows = inputs[name] ?? [];
      return [
        name,
        new Tensor('int64', BigInt64Array.from(rows.flat(), BigInt), [rows.length, rows[0]?.length ?? 0]),
      ];
    }),
  );
  const result = (await session.run(feeds))[output]!;
  return { dims: result.dims, data: result.data as Float32Array };
}

/** The largest difference, relative to the largest entry of `expected`. */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let difference = actual.length === expected.length ? 0 : Infinity;
  let largest = 0;
  for (let i = 0; i < expected.length; i++) {
    difference = Math.max(difference, Math.abs(actual[i]! - expected[i]!));
    largest = Math.max(largest, Math.abs(expected[i]!));
  }
  return difference / largest;
}
