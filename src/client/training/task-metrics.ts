import { IGNORED_LABEL } from '../../train/cross-entropy.js';
import { taskLabels, type TaskSpec } from '../../run-spec.js';
import type { Batch, EvaluationResult } from '../../train/session-types.js';
import { ClassificationMetrics } from './classification-metrics.js';

/** What an evaluation says of a task, beside the loss. */
export interface TaskScores {
  /** 0 to 1; NaN for a regression. Of texts, words, or next tokens. */
  readonly accuracy: number;
  /** Mean F1 of the classes that occur, 0 to 1; NaN where the task has no classes. */
  readonly macroF1: number;
  /** What else the task is judged by: perplexity, mse, mae. */
  readonly metrics: Readonly<Record<string, number>>;
}

/** Filled batch by batch. */
export interface TaskMetrics {
  add(result: EvaluationResult, labels: Batch['labels']): void;
  /** `loss`: the mean over all labels. */
  scores(loss: number): TaskScores;
}

class Classes implements TaskMetrics {
  readonly #metrics: ClassificationMetrics;

  constructor(classes: number) {
    this.#metrics = new ClassificationMetrics(classes);
  }

  add({ predicted }: EvaluationResult, { data }: Batch['labels']): void {
    data.forEach((label, i) => {
      if (Number(label) !== IGNORED_LABEL) this.#metrics.count(Number(predicted[i] ?? -1), Number(label));
    });
  }

  scores(): TaskScores {
    const { accuracy, macroF1 } = this.#metrics;
    return { accuracy, macroF1, metrics: { f1: macroF1 } };
  }
}

class NextTokens implements TaskMetrics {
  #correct = 0;
  #count = 0;

  add({ correct, count }: EvaluationResult): void {
    this.#correct += correct;
    this.#count += count;
  }

  scores(loss: number): TaskScores {
    return { accuracy: this.#correct / this.#count, macroF1: NaN, metrics: { perplexity: Math.exp(loss) } };
  }
}

class Numbers implements TaskMetrics {
  #absolute = 0;
  #count = 0;

  add({ logits }: EvaluationResult, { data }: Batch['labels']): void {
    data.forEach((target, i) => {
      this.#absolute += Math.abs((logits.data[i] ?? NaN) - Number(target));
      this.#count++;
    });
  }

  scores(loss: number): TaskScores {
    return { accuracy: NaN, macroF1: NaN, metrics: { mse: loss, mae: this.#absolute / this.#count } };
  }
}

const METRICS: Readonly<Record<TaskSpec['kind'], (task: TaskSpec) => TaskMetrics>> = {
  'text-classification': (task) => new Classes(taskLabels(task).length),
  'token-classification': (task) => new Classes(taskLabels(task).length),
  'text-regression': () => new Numbers(),
  'causal-lm': () => new NextTokens(),
};

export const taskMetrics = (task: TaskSpec): TaskMetrics => METRICS[task.kind](task);
