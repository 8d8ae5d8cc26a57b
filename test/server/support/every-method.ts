import { aggregate } from '../../../src/align/aggregate.js';
import { siloInstructionsSchema, shares } from '../../../src/align/instructions.js';
import { factorOf } from '../../../src/align/layout.js';
import { rotateUpdate } from '../../../src/align/rotate-update.js';
import type { AggregateResult, SiloInstructions } from '../../../src/align/types.js';
import { parseRunSpec, type RunSpecInput } from '../../../src/run-spec.js';
import { memorySource } from '../../../src/tensor/encode-file.js';
import type { NamedTensor } from '../../../src/tensor/tensor.js';
import { factors } from './harness.js';

export type Aggregation = NonNullable<RunSpecInput['aggregation']>;

/** Every method with what it may be composed with. */
export const CASES: readonly (readonly [name: string, aggregation: Aggregation])[] = [
  ['fedit', { method: 'fedit' }],
  ['fedrot', { method: 'fedrot' }],
  ['fedrot, λ = 0.6, rotated by the silos', { method: 'fedrot', options: { lambda: 0.6, where: 'silo' } }],
  ['fedrot-consensus', { method: 'fedrot-consensus' }],
  ['fedrot-exact', { method: 'fedrot-exact' }],
  ['ffa', { method: 'ffa' }],
  ['rolora', { method: 'rolora' }],
  ['flexlora', { method: 'flexlora' }],
  ['flora', { method: 'flora' }],
  ['fedex', { method: 'fedex' }],
  ['fedsa', { method: 'fedsa' }],
  ['hetlora', { method: 'hetlora', options: { weights: 'norm' } }],
  ['lora-fair', { method: 'lora-fair' }],
  ['FedAvgM after fedit', { method: 'fedit', serverOptimizer: { kind: 'fedavgm', momentum: 0.5 } }],
  ['FedAdagrad after fedrot-exact', { method: 'fedrot-exact', serverOptimizer: { kind: 'fedadagrad' } }],
  ['FedAdam after fedrot', { method: 'fedrot', serverOptimizer: { kind: 'fedadam' } }],
  ['FedYogi after rolora', { method: 'rolora', serverOptimizer: { kind: 'fedyogi' } }],
  [
    'a clipped median of fedrot',
    { method: 'fedrot', robust: { clip: 'median', combine: { kind: 'median' } } },
  ],
  [
    'Krum of fedrot-consensus, uniform weights',
    {
      method: 'fedrot-consensus',
      weighting: 'uniform',
      robust: { combine: { kind: 'krum', byzantine: 0 } },
    },
  ],
];

/** What a silo trains: nothing to do with its start, so that it is known beforehand. */
export const trainedBy = (silo: string, round: number): NamedTensor[] =>
  factors(silo.charCodeAt(0) * 10 + round);

/** The update that a silo sends: as the instructions say, from what it trained. */
export function updateOf(
  silo: string,
  round: number,
  instructionsJson: string,
  published: readonly NamedTensor[],
): NamedTensor[] {
  const instructions: SiloInstructions = siloInstructionsSchema.parse(JSON.parse(instructionsJson));
  const { train, rotate } = instructions;
  const all = trainedBy(silo, round).map((tensor) => {
    const side = factorOf(tensor.name)?.side;
    const frozen = side !== undefined && train !== 'both' && train !== side;
    return frozen ? (published.find(({ name }) => name === tensor.name) ?? tensor) : tensor;
  });
  const rotated = rotate ? rotateUpdate(all, memorySource(published), rotate) : all;
  return rotated.filter(({ name }) => {
    const side = factorOf(name)?.side;
    return side === undefined || shares(instructions, side);
  });
}

/** What src/align itself makes of the same silos' work, round after round. */
export function reference(
  aggregation: Aggregation,
  initial: readonly NamedTensor[],
  silos: readonly { readonly name: string; readonly examples: number }[],
  rounds: number,
  seed: number,
  instructionsOf: (round: number) => string,
): AggregateResult[] {
  const spec = parseRunSpec({
    name: 'x',
    bundle: '0'.repeat(64),
    task: { kind: 'text-classification', labels: ['a', 'b'] },
    aggregation,
  });
  const { method, options, weighting, serverOptimizer, robust } = spec.aggregation;
  const results: AggregateResult[] = [];
  let previous: readonly NamedTensor[] = initial;
  for (let round = 1; round <= rounds; round++) {
    const state = results.at(-1)?.state;
    const started = previous;
    const result = aggregate({
      method,
      options,
      serverOptimizer,
      robust,
      round,
      seed,
      previous: memorySource(started),
      ...(state && { state: memorySource(state) }),
      updates: silos.map(({ name, examples }) => ({
        silo: name,
        weight: weighting === 'uniform' ? 1 : examples,
        tensors: memorySource(updateOf(name, round, instructionsOf(round), started)),
      })),
    });
    results.push(result);
    previous = result.tensors;
  }
  return results;
}
