import type { SessionOptions, TrainSession } from './session-types.js';
import type { OpenStore } from './graph-runner.js';
import { Trainer } from './trainer.js';

/** What throws rejects. */
const settle = <T>(action: () => T): Promise<T> => Promise.resolve().then(action);

/**
 * A TrainSession in the caller's thread, which ONNX Runtime blocks: for threads and processes that do nothing but train. Throws as
 * openSession. `openStore` as Trainer.open says.
 */
export async function openInlineSession(
  options: SessionOptions,
  openStore?: OpenStore,
): Promise<TrainSession> {
  const trainer = await Trainer.open(options, openStore);
  return {
    parameters: trainer.parameters,
    load: (tensors) =>
      settle(() => {
        trainer.load(tensors);
      }),
    read: () => settle(() => trainer.read()),
    resetOptimizer: (optimizer) =>
      settle(() => {
        trainer.resetOptimizer(optimizer);
      }),
    step: (batches, stepOptions) => trainer.step(batches, stepOptions),
    fillPrefix: (batch) => trainer.fillPrefix(batch),
    saveState: () => settle(() => trainer.saveState()),
    restoreState: (state) =>
      settle(() => {
        trainer.restoreState(state);
      }),
    gradients: (batch) => trainer.gradients(batch),
    evaluate: (batch, evaluateOptions) => trainer.evaluate(batch, evaluateOptions),
    close: () => trainer.close(),
  };
}
