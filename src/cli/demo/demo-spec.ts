import { parseRunSpec, type RunSpec } from '../../run-spec.js';
import type { DemoOptions } from '../demo-options.js';
import { SPAM_LABELS } from './corpus.js';

/**
 * A silo with one label only is soon certain of it, and AdamW would scale its tiny gradients up to full steps towards that
 * label; with a larger ε they fade as its loss does.
 */
const OPTIMIZER = { kind: 'adamw', learningRate: 3e-3, epsilon: 3e-4 } as const;

/** Large steps at first, for few rounds; small ones at last, so that silos with opposite labels stop overturning each other. */
const SCHEDULE = { kind: 'cosine', finalFactor: 0.05, over: 'run' } as const;

/** The demo's run: chosen by experiment, see docs/demo.md. */
export function demoSpec(options: DemoOptions, bundle: string): RunSpec {
  return parseRunSpec(
    {
      name: 'spam',
      bundle,
      task: { kind: 'text-classification', labels: [...SPAM_LABELS], maxTokens: 64 },
      // The scale alpha / r stays the same for every rank.
      lora: {
        rank: options.rank,
        alpha: 4 * options.rank,
        targetModules: ['query', 'value'],
        modulesToSave: ['classifier'],
      },
      training: { optimizer: OPTIMIZER, batchSize: 8, localSteps: options.steps, schedule: SCHEDULE },
      // Dirichlet draws often give most mails, nearly all of one label, to one silo: weighted by examples it would decide alone.
      aggregation: { method: options.method, weighting: 'uniform' },
      rounds: { count: options.rounds, minSilos: options.silos, deadlineMs: 30 * 60_000 },
      evaluation: { every: 1 },
      seed: options.seed,
    },
    'the demo',
  );
}
