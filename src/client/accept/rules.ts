import { fits } from '../../name-patterns.js';
import type { RunSpec } from '../../run-spec.js';
import type { AcceptRules } from './accept-config.js';

/** What a task asks of the silo. */
export interface Asked {
  readonly runId: string;
  readonly bundle: string;
  readonly spec: RunSpec;
}

/** One line for each rule that the task breaks; none where the silo may do it without asking. Pure. */
export function objections({ runId, bundle, spec }: Asked, rules: AcceptRules): string[] {
  const { lora, training, task, rounds, aggregation } = spec;
  const listed = (name: string, patterns: readonly string[], text: string): string[] =>
    fits(patterns, text) ? [] : [`${name} ${text} is not accepted (accept.${name}s)`];
  const atMost = (rule: string, limit: number, value: number): string[] =>
    value <= limit
      ? []
      : [
          `${rule.charAt(3).toLowerCase()}${rule.slice(4)} is ${value}; the silo accepts up to ${limit} (accept.${rule})`,
        ];
  return [
    ...listed('run', rules.runs, runId),
    ...listed('bundle', rules.bundles, bundle),
    ...listed('method', rules.methods, aggregation.method),
    ...lora.modulesToSave
      .filter((name) => !fits(rules.modulesToSave, name))
      .map((name) => `module ${name} may not be trained in full (accept.modulesToSave)`),
    ...atMost('maxRank', rules.maxRank, lora.rank),
    ...atMost('maxLocalSteps', rules.maxLocalSteps, training.localSteps),
    ...atMost('maxBatchSize', rules.maxBatchSize, training.batchSize),
    ...atMost('maxTokens', rules.maxTokens, task.maxTokens),
    ...atMost('maxRounds', rules.maxRounds, rounds.count),
    ...atMost('maxLearningRate', rules.maxLearningRate, training.optimizer.learningRate),
  ];
}
