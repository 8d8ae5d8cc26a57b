import { FedrotError } from '../errors.js';
import { sessionParameters } from '../train/parameters.js';
import { buildGraphs } from '../train/trainer-graphs.js';
import type { ImportedModel } from './import-checkpoint.js';

/**
 * Builds the training graph of a bundle's model with every linear layer adapted and its head trained in full: what cannot be
 * differentiated is refused now and not on a silo. Throws op_unsupported, naming op, node and version, or model_unsupported.
 */
export async function checkDifferentiable(
  folder: string,
  file: string,
  { adaptable, dense, headModules, task }: ImportedModel,
): Promise<void> {
  const isHead = (name: string): boolean =>
    headModules.some((head) => name === head || name.startsWith(`${head}.`));
  const heads = dense.filter(({ name }) => isHead(name));
  const lora = adaptable.filter(({ name }) => !isHead(name)).map((module) => ({ module, rank: 1, scale: 1 }));
  const options = {
    folder,
    file,
    lora,
    dense: heads,
    loss: task.kind === 'text-regression' ? ('mean-squared-error' as const) : ('cross-entropy' as const),
  };
  try {
    await buildGraphs(options, sessionParameters(options));
  } catch (thrown) {
    if (!(thrown instanceof FedrotError) || !['op_unsupported', 'model_unsupported'].includes(thrown.code))
      throw thrown;
    throw new FedrotError(thrown.code, `the model cannot be trained: ${thrown.message}`, { cause: thrown });
  }
}
