import { z } from 'zod';
import { defineMethod, type Rotations } from '../method.js';
import { softRotation } from '../procrustes.js';
import { rotationOf, type Side } from '../rotate.js';
import type { SmallMatrix } from '../small-matrix.js';

/** λ that `auto` tries. 0, plain averaging, comes first and wins ties. */
const GRID = [0, 0.2, 0.4, 0.6, 0.8, 1] as const;

const optionsSchema = z
  .strictObject({
    /** 0 averages plainly, 1 rotates in full; `auto` takes per module the one of a grid with the least aggregation error. */
    lambda: z.union([z.number().min(0).max(1), z.literal('auto')]).default('auto'),
    /** The published factor that silos are rotated to: A, B, or one after the other. */
    reference: z.enum(['alternate', 'a', 'b']).default('alternate'),
    /** With `alternate`: the reference of round 2. */
    first: z.enum(['a', 'b']).default('a'),
    /** Keep reflections (R in O(r)), as the paper's hard form does; λ must then be 1, or `auto`, which tries it besides the grid. */
    reflections: z.boolean().default(false),
    /** What round 1 does, where there is no common basis to rotate to: average plainly, as the paper. */
    start: z.enum(['none']).default('none'),
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

/**
 * FedRot-LoRA (arXiv 2602.23638, Algorithm 1): each silo's factors are rotated towards one published factor, A and B in turns,
 * then averaged. From round 2 on; in round 1 there is nothing to align to (B̄ = 0).
 */
export const fedrot = defineMethod<Options>({
  name: 'fedrot',
  source: 'arXiv 2602.23638',
  options: optionsSchema,
  instructions: () => ({ train: 'both' }),
  align(module, options) {
    const { r, round, silos } = module;
    if (round === 1) return { rotations: new Array<undefined>(silos).fill(undefined), lambda: 0 };
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
  },
});
