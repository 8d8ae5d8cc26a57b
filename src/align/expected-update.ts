import { FedrotError } from '../errors.js';
import type { WireDType } from '../tensor/dtype.js';
import { checkManifest } from '../tensor/manifest.js';
import type { TensorInfo } from '../tensor/tensor.js';
import { shares, type SiloInstructions } from './instructions.js';
import { factorOf } from './layout.js';

/**
 * The tensors that an update of a round has to hold: those of the published adapter, without a factor that silos keep, and
 * with a silo's own rank where the method allows one (from 1 to the run's, the same in A and B of a module). `got` is what the silo
 * sent; only ranks are taken from it.
 */
export function expectedUpdate(
  published: readonly TensorInfo[],
  got: readonly TensorInfo[],
  instructions: SiloInstructions,
): TensorInfo[] {
  const sent = new Map(got.map(({ name, shape }) => [name, shape]));
  return published.flatMap((tensor) => {
    const factor = factorOf(tensor.name);
    if (!factor) return [tensor];
    if (!shares(instructions, factor.side)) return [];
    if (instructions.ownRank === undefined || tensor.shape.length !== 2) return [tensor];
    const full = tensor.shape[factor.side === 'a' ? 0 : 1]!;
    const own = sent.get(factor.a)?.[0] ?? full;
    if (own < 1 || own > full) return [tensor];
    const [rows, columns] = tensor.shape as [number, number];
    return [{ ...tensor, shape: factor.side === 'a' ? [own, columns] : [rows, own] }];
  });
}

/** Throws tensor_name, tensor_shape or tensor_dtype unless `got` is what expectedUpdate says. Lists in canonical order. */
export function checkUpdate(
  published: readonly TensorInfo[],
  got: readonly TensorInfo[],
  instructions: SiloInstructions,
  allowed?: readonly WireDType[],
): void {
  try {
    checkManifest(expectedUpdate(published, got, instructions), got, allowed);
  } catch (thrown) {
    if (!(thrown instanceof FedrotError) || thrown.code !== 'tensor_shape' || instructions.ownRank)
      throw thrown;
    throw new FedrotError(
      thrown.code,
      `${thrown.message} (this method needs the run's rank from every silo)`,
      { cause: thrown },
    );
  }
}
