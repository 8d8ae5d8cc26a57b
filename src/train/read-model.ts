import { loadModel } from './ir/files.js';
import type { Model } from './ir/graph.js';
import { normalizeModel } from './ir/normalize.js';
import { raiseOpset } from './quantize/raise-opset.js';
import { withoutCompounds } from './rewrite/rewrite.js';
import { withoutBranches } from './shapes/resolve-if.js';

/** DequantizeLinear knows blocks from here on: gradients through MatMulNBits need it. */
const BLOCKS_FROM = 21;

/**
 * A model file in the form that LoRA and differentiation expect: constants as initializers, no branches that only ask about sizes, compound
 * operators written out, at an opset
 * that has what gradients through packed weights need.
 */
export async function readForTraining(folder: string, file?: string): Promise<Model> {
  const model = await withoutBranches(normalizeModel(loadModel(folder, file), folder), folder);
  const packed = model.graph.nodes.some(
    ({ op, domain }) => op === 'MatMulNBits' && domain === 'com.microsoft',
  );
  return withoutCompounds(packed ? raiseOpset(model, BLOCKS_FROM) : model, folder);
}
