import { parseRunSpec, type RunSpec } from '../../run-spec.js';
import type { DemoOptions } from '../demo-options.js';
import { SPAM_LABELS } from './corpus.js';

/**
 * AdamW with a large ε. A silo with one label only is soon certain of it; with the usual ε its tiny gradients would still be
 * scaled up to full steps, and it would go on pulling the average towards its label. With ε near the usual size of a
 * gradient's element its steps fade as its loss does.
 */
const OPTIMIZER = { kind: 'adamw', learningRate: 3e-3, epsilon: 1e-3 } as const;

/** The demo's run: chosen by experiment, see docs/demo.md. */
export function demoSpec(options: DemoOptions, bundle: string): RunSpec {
  return parseRunSpec(
    {
      name: 'spam',
      bundle,
      task: { kind: 'text-classification', labels: [...SPAM_LABELS], maxTokens: 48 },
      // The scale alpha / r stays the same for every rank.
      lora: {
        rank: options.rank,
        alpha: 4 * options.rank,
        targetModules: ['query', 'value'],
        modulesToSave: ['classifier'],
      },
      training: { optimizer: OPTIMIZER, batchSize: 8, localSteps: options.steps },
      aggregation: { method: options.method },
      rounds: { count: options.rounds, minSilos: options.silos, deadlineMs: 30 * 60_000 },
      evaluation: { every: 1 },
      seed: options.seed,
    },
    'the demo',
  );
}
