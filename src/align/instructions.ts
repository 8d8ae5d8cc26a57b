import { z } from 'zod';

/** Both factors of every adapted module, or one of them. */
const factors = z.enum(['both', 'a', 'b']);

/**
 * What a method asks of the silos in a round: instructions_json of the wire. Absent keys have the defaults stated, so that a
 * method that asks for nothing special sends what the first version of the protocol sent.
 *
 * A factor that is trained but not shared stays with the silo: it goes on from its own, not from the published one (fedsa's B).
 */
export const siloInstructionsSchema = z.strictObject({
  /** Which LoRA factors are trained; the other one is taken as published and frozen. Dense parameters (heads) always are trained. */
  train: factors.default('both'),
  /** Which factors the update holds; absent: both. Dense parameters always are shared. */
  share: factors.optional(),
  /**
   * A silo may train with a rank below the run's, and this is how it fits the published factors to it (fit-rank.ts): `rows`
   * takes the first rows of A and columns of B, `svd` the best approximation. Absent: every silo has the run's rank.
   */
  ownRank: z.enum(['rows', 'svd']).optional(),
  /** Published versions come with a merge file, s · B · A of which the silo adds to its base, one version after the other. */
  merge: z.boolean().optional(),
  /** The silo rotates its update to the published factors before it sends it (rotate-update.ts). */
  rotate: z
    .strictObject({
      side: z.enum(['a', 'b']),
      lambda: z.number().min(0).max(1),
      reflections: z.boolean(),
    })
    .optional(),
});

export type SiloInstructions = Readonly<z.output<typeof siloInstructionsSchema>>;
export type RotateInstruction = NonNullable<SiloInstructions['rotate']>;
export type OwnRank = NonNullable<SiloInstructions['ownRank']>;

/** Whether the updates of a round hold factor A, or B. */
export const shares = ({ share = 'both' }: SiloInstructions, side: 'a' | 'b'): boolean =>
  share === 'both' || share === side;
