import type {
  EvaluateResult,
  TaskInput,
  TrainInput,
  Trainer,
  TrainResult,
} from '../../src/client/training/local-trainer.js';
import { factorOf } from '../../src/align/layout.js';
import { Random } from '../../src/random.js';
import type { NamedTensor } from '../../src/tensor/tensor.js';

/** What "training" makes of an adapter: noise from the seed, the same every time, on what is trained. */
export function stubTrained({ adapter, seed, instructions: { train } }: TrainInput): NamedTensor[] {
  return adapter.map((tensor) => {
    const side = factorOf(tensor.name)?.side;
    if (side !== undefined && train !== 'both' && train !== side) return tensor;
    const random = Random.of('stub', ...seed, tensor.name);
    return { ...tensor, data: tensor.data.map((value) => value + random.normal(0, 0.1)) };
  });
}

/** A trainer that takes no time and remembers what it was given. */
export class StubTrainer implements Trainer {
  readonly trained: TrainInput[] = [];
  readonly evaluated: TaskInput[] = [];
  /** What evaluate answers, by version of the adapter in order of the calls. */
  accuracy: (call: number) => number = () => 0.5;

  train(input: TrainInput): Promise<TrainResult> {
    this.trained.push(input);
    const metrics = { loss: 0.5, steps: 1, seconds: 0.01, tokens: 10 };
    return Promise.resolve({ tensors: stubTrained(input), examples: input.data.examples.length, metrics });
  }

  evaluate(input: TaskInput): Promise<EvaluateResult> {
    this.evaluated.push(input);
    const accuracy = this.accuracy(this.evaluated.length);
    return Promise.resolve({
      examples: input.data.examples.length,
      loss: 1 - accuracy,
      accuracy,
      macroF1: accuracy,
      metrics: {},
    });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
