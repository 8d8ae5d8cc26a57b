import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { int } from '../../src/train/ir/attributes.js';
import type { GraphBuilder } from '../../src/train/ir/builder.js';
import { saveModel } from '../../src/train/ir/files.js';
import { int64Vector } from '../../src/train/ir/tensor-value.js';
import { createBundle, type CreateBundleOptions, type CreatedBundle } from '../../src/model/create-bundle.js';
import { tokenGraph } from '../train/support/token-graph.js';
import { TINY_TOKENIZER } from './tiny-bundle.js';

export const WIDTH = 8;
const VOCABULARY = 25;

export interface OnnxFixture {
  readonly opset?: number;
  /** What stands between the layer and the head: [batch, sequence, 8] to the same. */
  readonly between?: (builder: GraphBuilder, x: string) => string;
  /** Size of the last dimension of the logits; default 2. */
  readonly outputs?: number;
  /** Logits of every token instead of one row of them a text. */
  readonly tokens?: boolean;
}

/** A folder with model.onnx, as an exporter might have written it, and a tokenizer. */
export async function onnxFixture({
  opset = 18,
  between,
  outputs = 2,
  tokens = false,
}: OnnxFixture): Promise<string> {
  const { builder, mask, weight } = tokenGraph(opset);
  let x = builder.op('Gather', [weight('embedding', [VOCABULARY, WIDTH]), 'input_ids']);
  x = builder.op('Tanh', [builder.op('MatMul', [x, weight('layer.weight', [WIDTH, WIDTH])])]);
  if (between !== undefined) x = between(builder, x);
  if (!tokens)
    x = builder.op('Div', [
      builder.op('ReduceSum', [builder.op('Mul', [x, mask]), builder.constant(int64Vector([1]))], {
        keepdims: int(0),
      }),
      builder.op('ReduceSum', [mask, builder.constant(int64Vector([1]))], { keepdims: int(0) }),
    ]);
  builder.op('MatMul', [x, weight('classifier.weight', [WIDTH, outputs])], {}, 'logits');
  builder.output('logits', 'float', tokens ? ['batch', 'sequence', outputs] : ['batch', outputs]);
  const folder = await mkdtemp(join(tmpdir(), 'fedrot-onnx-'));
  saveModel(builder.build(), folder);
  await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(TINY_TOKENIZER));
  return folder;
}

/** `<folder>/bundle` from the model in the folder. */
export function bundleOf(folder: string, options: Partial<CreateBundleOptions> = {}): Promise<CreatedBundle> {
  return createBundle({
    onnx: join(folder, 'model.onnx'),
    out: join(folder, 'bundle'),
    maxTokens: 16,
    seed: 0,
    ...options,
  });
}
