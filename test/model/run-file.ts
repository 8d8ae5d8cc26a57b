import { InferenceSession, Tensor } from 'onnxruntime-node';

/** Logits of a model file by stock onnxruntime-node, as anyone would run it. */
export async function run(
  file: string,
  inputs: Readonly<Record<string, { readonly dims: readonly number[]; readonly data: BigInt64Array }>>,
): Promise<Float32Array> {
  const session = await InferenceSession.create(file, { intraOpNumThreads: 1 });
  const feeds = Object.fromEntries(
    session.inputNames.map((name) => [name, new Tensor('int64', inputs[name]!.data, inputs[name]!.dims)]),
  );
  const { logits } = await session.run(feeds);
  return logits!.data as Float32Array;
}
