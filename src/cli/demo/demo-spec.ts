import { parseRunSpec, type RunSpec } from '../../run-spec.js';
import type { DemoOptions } from '../demo-options.js';
import { SPAM_LABELS } from './corpus.js';

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
      training: { optimizer: { kind: 'adamw', learningRate: 1e-3 }, batchSize: 8, localSteps: options.steps },
      aggregation: { method: options.method },
      rounds: { count: options.rounds, minSilos: options.silos, deadlineMs: 30 * 60_000 },
      evaluation: { every: 1 },
      seed: options.seed,
    },
    'the demo',
  );
}
