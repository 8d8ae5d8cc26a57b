import type {
  EvaluateResult,
  TaskInput,
  TrainInput,
  Trainer,
  TrainResult,
} from '../../src/client/training/local-trainer.js';
import { FedrotError } from '../../src/errors.js';

/** Trains in no time: adds one half to everything. With a `gate` it waits there, as long training would. */
export class FakeTrainer implements Trainer {
  readonly trained: TrainInput[] = [];
  readonly evaluated: TaskInput[] = [];
  cancelled = 0;
  closed = false;
  fail: FedrotError | undefined;
  gate: Promise<void> | undefined;

  async train(input: TrainInput): Promise<TrainResult> {
    this.trained.push(input);
    if (this.fail) throw this.fail;
    input.onProgress?.({ step: 1, totalSteps: 2, loss: 0.75, tokens: 12, seconds: 0.5 });
    await this.#wait(input.signal);
    input.onProgress?.({ step: 2, totalSteps: 2, loss: 0.5, tokens: 10, seconds: 0.5 });
    const tensors = input.adapter.map((tensor) => ({
      ...tensor,
      data: tensor.data.map((value) => value + 0.5),
    }));
    const metrics = { loss: 0.625, steps: 2, seconds: 0.1, tokens: 99 };
    return { tensors, examples: input.data.examples.length, metrics };
  }

  async evaluate(input: TaskInput): Promise<EvaluateResult> {
    this.evaluated.push(input);
    await this.#wait(input.signal);
    return {
      examples: input.data.examples.length,
      loss: 0.25,
      accuracy: 0.9,
      macroF1: 0.8,
      metrics: { f1: 0.8 },
    };
  }

  close(): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }

  async #wait(signal: AbortSignal | undefined): Promise<void> {
    if (this.gate === undefined) return;
    await new Promise<void>((resolve, reject) => {
      const abort = (): void => {
        this.cancelled++;
        reject(new FedrotError('cancelled', 'the task was cancelled'));
      };
      if (signal?.aborted === true) abort();
      signal?.addEventListener('abort', abort);
      void this.gate?.then(resolve);
    });
  }
}
