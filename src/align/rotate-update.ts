import { FedrotError } from '../errors.js';
import { memorySource, tensorInfos } from '../tensor/encode-file.js';
import type { NamedTensor, TensorSource } from '../tensor/tensor.js';
import { resizeRows } from './fit-rank.js';
import type { RotateInstruction } from './instructions.js';
import { adapterLayout } from './layout.js';
import { rotateFactors, rotationTo } from './rotate.js';

/**
 * A silo's update rotated to the published adapter that it started from, as SiloInstructions.rotate says: what the server would do with
 * it, to float32's rounding. It takes nothing but the silo's own factors and the published ones. Modules of a rank below the
 * published one are filled up with zeros to it. Throws tensor_name, tensor_shape as adapterLayout does, or for a module that is not
 * in `published`.
 */
export function rotateUpdate(
  update: readonly NamedTensor[],
  published: TensorSource,
  instruction: RotateInstruction,
): NamedTensor[] {
  const source = memorySource(update);
  const references = new Map(
    adapterLayout(published.tensors).modules.map((layout) => [layout.module, layout]),
  );
  const rotated = new Map<string, NamedTensor>();
  for (const { module, a, b, r, in: inputs, out } of adapterLayout(tensorInfos(update)).modules) {
    const layout = references.get(module);
    if (layout?.in !== inputs || layout.out !== out || layout.r < r)
      throw new FedrotError(
        layout ? 'tensor_shape' : 'tensor_name',
        `module ${module}: the published adapter has no factors that an update of rank ${r}, ${inputs} → ${out}, could be rotated to`,
      );
    const reference = {
      r: layout.r,
      in: inputs,
      out,
      a: published.read(layout.a),
      b: published.read(layout.b),
    };
    const factors = resizeRows({ r, in: inputs, out, a: source.read(a), b: source.read(b) }, layout.r);
    const result = rotateFactors(factors, rotationTo(factors, reference, instruction));
    rotated.set(a, { name: a, shape: [layout.r, inputs], data: result.a });
    rotated.set(b, { name: b, shape: [out, layout.r], data: result.b });
  }
  return update.map((tensor) => rotated.get(tensor.name) ?? tensor);
}
