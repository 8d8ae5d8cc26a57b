import { z } from 'zod';
import { consensusRotations } from '../consensus.js';
import type { SiloInstructions } from '../instructions.js';
import { defineMethod, plainRotations, type Alignment, type ModuleView, type Rotations } from '../method.js';
import { softRotation } from '../procrustes.js';
import { rotationOf, type Side } from '../rotate.js';
import type { SmallMatrix } from '../small-matrix.js';

/** λ that `auto` tries. 0, plain averaging, comes first and wins ties. */
const GRID = [0, 0.2, 0.4, 0.6, 0.8, 1] as const;

const optionsSchema = z
  .strictObject({
    lambda: z
      .union([z.number().min(0).max(1), z.literal('auto')])
      .default('auto')
      .describe(
        '0 averages plainly, 1 rotates in full; `auto` takes per module the one of 0, 0.2, …, 1 with the least aggregation error, so it is never above plain averaging',
      ),
    reference: z
      .enum(['alternate', 'a', 'b'])
      .default('alternate')
      .describe('the published factor that silos are rotated to: A, B, or one after the other'),
    first: z.enum(['a', 'b']).default('a').describe('with `alternate`: the reference of round 2'),
    reflections: z
      .boolean()
      .default(false)
      .describe(
        "keep reflections (R in O(r)), as the paper's hard form does; λ must then be 1, or `auto`, which tries it besides the grid",
      ),
    start: z
      .enum(['none', 'consensus'])
      .default('none')
      .describe(
        'what round 1 does, where B̄ = 0 is no basis to rotate to: average plainly, as the paper, or find one among the silos (with λ `auto` only where that lowers the error)',
      ),
    where: z
      .enum(['server', 'silo'])
      .default('server')
      .describe(
        'who rotates: the server, or every silo its own update before it is sent, with the same result; needs a numeric λ and start `none`',
      ),
  })
  .refine((options) => options.where === 'server' || options.lambda !== 'auto', {
    path: ['lambda'],
    message: 'must be a number where silos rotate: auto compares the updates of all silos',
  })
  .refine((options) => options.where === 'server' || options.start === 'none', {
    path: ['start'],
    message: 'must be none where silos rotate: a consensus needs the updates of all silos',
  })
  .refine((options) => !options.reflections || options.lambda === 'auto' || options.lambda === 1, {
    path: ['lambda'],
    message: 'must be 1 or auto where reflections are kept: a reflection has no soft form',
  });

type Options = z.output<typeof optionsSchema>;

function referenceOf({ reference, first }: Options, round: number): Side {
  if (reference !== 'alternate') return reference;
  const second = first === 'a' ? 'b' : 'a';
  return round % 2 === 0 ? first : second;
}

/** One way to align all silos. */
interface Candidate {
  readonly lambda: number;
  readonly rotations: Rotations;
}

function soft(hard: readonly SmallMatrix[], r: number, lambda: number): Candidate {
  return {
    lambda,
    rotations: hard.map((rotation) => (lambda === 0 ? undefined : softRotation(rotation, r, lambda))),
  };
}

function instructionsOf(options: Options, round: number): SiloInstructions {
  const { where, lambda, reflections } = options;
  const common = { train: 'both', ownRank: 'svd' } as const;
  if (where === 'server' || lambda === 'auto' || round === 1) return common;
  return { ...common, rotate: { side: referenceOf(options, round), lambda, reflections } };
}

function alignOnServer(module: ModuleView, options: Options): Alignment {
  const { r, round } = module;
  const grams = module.crossGrams(referenceOf(options, round));
  const rotations = grams.map((gram) => rotationOf(gram, r, false));
  const reflected = (): Candidate => ({
    lambda: 1,
    rotations: grams.map((gram) => rotationOf(gram, r, true)),
  });
  if (options.lambda !== 'auto')
    return options.reflections ? reflected() : soft(rotations, r, options.lambda);
  const candidates = GRID.map((lambda) => soft(rotations, r, lambda));
  if (options.reflections) candidates.push(reflected());
  return candidates[module.leastError(candidates.map((candidate) => candidate.rotations))]!;
}

/**
 * FedRot-LoRA (arXiv 2602.23638, Algorithm 1): each silo's factors are rotated towards one published factor, A and B in turns,
 * then averaged. From round 2 on; in round 1 there is nothing to align to (B̄ = 0), unless the silos find a consensus.
 */
export const fedrot = defineMethod<Options>({
  name: 'fedrot',
  source: 'arXiv 2602.23638',
  options: optionsSchema,
  allows: { ownRank: 'svd', stale: 'rotated', serverOptimizer: true, robust: true },
  instructions: instructionsOf,
  align(module, options) {
    const { round, silos } = module;
    if (round > 1 && options.where === 'server') return alignOnServer(module, options);
    const plain = plainRotations(silos);
    if (round > 1) return { rotations: plain, lambda: Number(options.lambda) };
    if (options.start === 'none') return { rotations: plain, lambda: 0 };
    // As in `auto`: never worse than plain averaging.
    const candidates = [plain, consensusRotations(module)];
    const best = options.lambda === 'auto' ? module.leastError(candidates) : 1;
    return { rotations: candidates[best]!, lambda: best };
  },
});
