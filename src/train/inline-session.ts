import type { SessionOptions, TrainSession } from './session-types.js';
import { Trainer, type OpenStore } from './trainer.js';

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
    load: async (tensors) => Promise.resolve(trainer.load(tensors)),
    read: async () => Promise.resolve(trainer.read()),
    resetOptimizer: async (optimizer) => Promise.resolve(trainer.resetOptimizer(optimizer)),
    step: (batches, stepOptions) => trainer.step(batches, stepOptions),
    fillPrefix: (batch) => trainer.fillPrefix(batch),
    saveState: async () => Promise.resolve(trainer.saveState()),
    restoreState: async (state) => Promise.resolve(trainer.restoreState(state)),
    gradients: (batch) => trainer.gradients(batch),
    evaluate: (batch, evaluateOptions) => trainer.evaluate(batch, evaluateOptions),
    close: () => trainer.close(),
  };
}
