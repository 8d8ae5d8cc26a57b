import { adapterLayout } from '../../align/layout.js';
import { randomRotation } from '../../align/random-rotation.js';
import { rotateFactors } from '../../align/rotate.js';
import { Random } from '../../random.js';
import { memorySource, tensorInfos } from '../../tensor/encode-file.js';
import type { NamedTensor } from '../../tensor/tensor.js';

/**
 * A ← Rᵀ A, B ← B R for every module, with R drawn uniformly from SO(r), independently by module and the seed's parts.
 * B · A, and so the update, is the same up to rounding; only plain averaging suffers. For experiments.
 */
export function scrambleBasis(
  tensors: readonly NamedTensor[],
  ...seed: readonly (string | number)[]
): NamedTensor[] {
  const source = memorySource(tensors);
  const scrambled = new Map<string, Float32Array>();
  for (const { module, a, b, r, in: inputs, out } of adapterLayout(tensorInfos(tensors)).modules) {
    const rotation = randomRotation(r, Random.of('scramble', ...seed, module));
    const rotated = rotateFactors({ a: source.read(a), b: source.read(b), r, in: inputs, out }, rotation);
    scrambled.set(a, rotated.a);
    scrambled.set(b, rotated.b);
  }
  return tensors.map((tensor) => ({ ...tensor, data: scrambled.get(tensor.name) ?? tensor.data }));
}
