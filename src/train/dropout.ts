import { FedrotError } from '../errors.js';
import { Random } from '../random.js';
import { elementCount } from '../tensor/dtype.js';
import type { Dim, ValueInfo } from './ir/graph.js';
import type { RuntimeTensor } from './ort.js';
import type { SessionOptions } from './session-types.js';
import { evaluateExtent, type Extent } from './shapes/extent.js';

/** Names of the training graph's inputs for dropout: what is kept by module, and what the kept is multiplied by. */
export const dropoutMask = (module: string): string => `fedrot/dropout/${module}`;
export const DROPOUT_SCALE = 'fedrot/dropout_scale';

/**
 * A shape with as many elements as `dims`, in named dimensions of the model's inputs: [batch*sequence, 8] gives [batch, sequence, 8].
 * Throws model_unsupported where a size is no product of those.
 */
export function maskDims(dims: readonly Extent[]): Dim[] {
  const names: string[] = [];
  let factor = 1;
  for (const extent of dims)
    for (const part of String(extent).split('*')) {
      if (part.includes('|'))
        throw new FedrotError(
          'model_unsupported',
          `lora dropout: a module's input has a dimension (${part}) that depends on the batch in a way that is not known`,
        );
      if (/^\d+$/.test(part)) factor *= Number(part);
      else names.push(part);
    }
  return [...names, factor];
}

/** Chances are told in 1/65536: two of them come from one draw of 32 bits. */
const LEVELS = 0x10000;

/** 1 where an entry is kept, 0 with probability `rate` (to 1/65536). The same random stream gives the same mask on every machine. */
export function drawMask(random: Random, size: number, rate: number): Uint8Array {
  const mask = new Uint8Array(size);
  const below = Math.round(rate * LEVELS);
  for (let i = 0; i < size; i += 2) {
    const bits = random.uint32();
    mask[i] = (bits & 0xffff) < below ? 0 : 1;
    if (i + 1 < size) mask[i + 1] = bits >>> 16 < below ? 0 : 1;
  }
  return mask;
}

/** The stream behind a step's mask of one module. */
export function maskStream(seed: readonly (string | number)[], module: string): Random {
  return Random.of('lora dropout', ...seed, module);
}

/**
 * What the training graph takes for dropout, as `inputs` ask for it: masks of the step that `seed` names, or masks that keep everything
 * where there is none. `sizes` are the batch's dimensions.
 */
export function dropoutFeeds(
  inputs: readonly ValueInfo[],
  { dropout = 0, lora }: Pick<SessionOptions, 'dropout' | 'lora'>,
  sizes: ReadonlyMap<string, number>,
  seed: readonly (string | number)[] | undefined,
): Record<string, RuntimeTensor> {
  if (dropout === 0) return {};
  const rate = seed === undefined ? 0 : dropout;
  const feeds: Record<string, RuntimeTensor> = {
    [DROPOUT_SCALE]: { type: 'float', dims: [], data: Float32Array.of(1 / (1 - rate)) },
  };
  for (const { module } of lora) {
    const name = dropoutMask(module.name);
    const info = inputs.find((input) => input.name === name);
    if (info === undefined) continue;
    const dims = info.dims.map((dim) => evaluateExtent(dim, sizes));
    const size = elementCount(dims);
    const data =
      seed === undefined ? new Uint8Array(size).fill(1) : drawMask(maskStream(seed, module.name), size, rate);
    feeds[name] = { type: 'uint8', dims, data };
  }
  return feeds;
}
