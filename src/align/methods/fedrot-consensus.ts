import { z } from 'zod';
import { consensusRotations } from '../consensus.js';
import { defineMethod } from '../method.js';

/**
 * Rotations found among the silos themselves (generalised Procrustes analysis, consensus.ts) instead of towards the published factors
 * alone: also in round 1, for silos that start from adapters of their own, and for stale or returning ones.
 */
export const fedrotConsensus = defineMethod({
  name: 'fedrot-consensus',
  source: "this project; Gower 1975, 'Generalized Procrustes analysis'",
  options: z.strictObject({}),
  allows: { ownRank: 'svd', stale: 'rotated', serverOptimizer: true, robust: true },
  instructions: () => ({ train: 'both', ownRank: 'svd' }),
  align: (module) => ({ rotations: consensusRotations(module) }),
});
