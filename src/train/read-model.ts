import { loadModel } from './ir/files.js';
import type { Model } from './ir/graph.js';
import { normalizeModel } from './ir/normalize.js';
import { withoutCompounds } from './rewrite/rewrite.js';

/** A model file in the form that LoRA and differentiation expect: constants as initializers, compound operators written out. */
export async function readForTraining(folder: string, file?: string): Promise<Model> {
  return withoutCompounds(normalizeModel(loadModel(folder, file), folder), folder);
}
