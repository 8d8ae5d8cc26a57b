import { fitRank } from '../align/fit-rank.js';
import { shares } from '../align/instructions.js';
import { adapterLayout, factorOf } from '../align/layout.js';
import { rotateUpdate } from '../align/rotate-update.js';
import type { SiloInstructions } from '../align/types.js';
import { FedrotError } from '../errors.js';
import type { LoraSpec, RunSpec } from '../run-spec.js';
import { memorySource, tensorInfos } from '../tensor/encode-file.js';
import type { NamedTensor } from '../tensor/tensor.js';

/** What a silo starts from and what it sends, by a method's instructions (src/align/instructions.ts). Pure. */

/** The factor that a silo trains and keeps. */
function keptSide({ train, ...rest }: SiloInstructions): 'a' | 'b' | undefined {
  return (['a', 'b'] as const).find(
    (side) => (train === 'both' || train === side) && !shares({ train, ...rest }, side),
  );
}

/** Of trained tensors, those that stay with the silo. */
export function keptTensors(
  trained: readonly NamedTensor[],
  instructions: SiloInstructions,
): readonly NamedTensor[] {
  const side = keptSide(instructions);
  return side === undefined ? [] : trained.filter(({ name }) => factorOf(name)?.side === side);
}

/** The published adapter with what the silo has kept instead. Throws tensor_shape where that is of another adapter. */
export function withOwn(
  published: readonly NamedTensor[],
  own: readonly NamedTensor[],
): readonly NamedTensor[] {
  const byName = new Map(own.map((tensor) => [tensor.name, tensor]));
  return published.map((tensor) => {
    const mine = byName.get(tensor.name);
    if (!mine) return tensor;
    if (mine.data.length === tensor.data.length) return mine;
    throw new FedrotError(
      'tensor_shape',
      `tensor ${tensor.name}: the silo's own is [${mine.shape.join(', ')}], published is [${tensor.shape.join(', ')}]`,
    );
  });
}

/**
 * The rank that a silo trains with: `wanted` where it is below the run's and the method allows ranks of the silos' own. Throws
 * option_invalid where it does not.
 */
export function ownRank(
  wanted: number | undefined,
  { lora, aggregation }: Pick<RunSpec, 'lora' | 'aggregation'>,
  instructions: SiloInstructions,
): number {
  if (wanted === undefined || wanted >= lora.rank) return lora.rank;
  if (instructions.ownRank) return wanted;
  throw new FedrotError(
    'option_invalid',
    `this silo trains with rank ${wanted} at most, the run has rank ${lora.rank}, and method ${aggregation.method} needs the same rank from every silo`,
  );
}

/** Settings for another rank, with the scale s of B · A that the run has. */
export function loraOfRank(lora: LoraSpec, rank: number): LoraSpec {
  if (rank === lora.rank) return lora;
  const ratio = rank / lora.rank;
  return { ...lora, rank, alpha: lora.alpha * (lora.rsLora ? Math.sqrt(ratio) : ratio) };
}

/** The adapter that a silo of this rank starts from. */
export function atRank(
  adapter: readonly NamedTensor[],
  rank: number,
  { ownRank: how }: SiloInstructions,
): readonly NamedTensor[] {
  const { modules } = adapterLayout(tensorInfos(adapter));
  const smaller = how !== undefined && modules.some(({ r }) => r > rank);
  return smaller ? fitRank(adapter, rank, how) : adapter;
}

/** What is sent of trained tensors: rotated to the published adapter where the silo does that, without what it keeps. */
export function sharedTensors(
  trained: readonly NamedTensor[],
  published: readonly NamedTensor[],
  instructions: SiloInstructions,
): readonly NamedTensor[] {
  const { rotate } = instructions;
  const rotated = rotate ? rotateUpdate(trained, memorySource(published), rotate) : trained;
  return rotated.filter(({ name }) => {
    const side = factorOf(name)?.side;
    return side === undefined || shares(instructions, side);
  });
}
