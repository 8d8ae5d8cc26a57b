import type { Bundle } from '../model/bundle.js';
import { parseRunSpec, type RunSpec } from '../run-spec.js';
import type { Trial } from './grid.js';

/** Longer than any simulated round: there, time stands still. */
const NO_DEADLINE_MS = 86_400_000;

/** How many silos a round asks. */
export const askedSilos = ({ fraction, silos }: Pick<Trial, 'fraction' | 'silos'>): number =>
  Math.max(1, Math.round(fraction * silos));

/** The run's specification that an operator would write for this trial. */
export function trialSpec(trial: Trial, bundle: Bundle, maxTokens: number): RunSpec {
  const { kind, labels } = bundle.manifest.task;
  const { rank, scale, rsLora } = trial;
  const ask = askedSilos(trial);
  return parseRunSpec(
    {
      name: 'simulation',
      bundle: bundle.sha256,
      task: { kind, ...(labels.length > 0 && { labels }), maxTokens },
      lora: {
        rank,
        alpha: scale * (rsLora ? Math.sqrt(rank) : rank),
        rsLora,
        targetModules: trial.targetModules,
        modulesToSave: trial.modulesToSave,
      },
      training: {
        optimizer: trial.optimizer,
        schedule: trial.schedule,
        batchSize: trial.batchSize,
        localSteps: trial.localSteps,
      },
      aggregation: {
        method: trial.method,
        options: trial.options,
        weighting: trial.weighting,
        ...(trial.serverOptimizer && { serverOptimizer: trial.serverOptimizer }),
        ...(trial.robust && { robust: trial.robust }),
      },
      // Silos whose training diverges drop out of a round, but half of them must be there.
      rounds: {
        count: trial.rounds,
        minSilos: Math.ceil(ask / 2),
        ask,
        maxAttempts: 1,
        deadlineMs: NO_DEADLINE_MS,
      },
      seed: trial.seed,
    },
    'trial',
  );
}
