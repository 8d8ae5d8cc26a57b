import { FedrotError } from '../errors.js';
import { taskLabels, type TaskSpec } from '../run-spec.js';
import type { Bundle } from './bundle.js';

/**
 * A run's task must be the bundle's: the same labels in the same order (the order gives the class index), and
 * no more tokens than the model has positions. Throws config_invalid.
 */
export function checkTask({ manifest }: Pick<Bundle, 'manifest'>, task: TaskSpec): void {
  const { kind, labels } = manifest.task;
  if (task.kind !== kind)
    throw new FedrotError(
      'config_invalid',
      `task.kind: the run says ${task.kind}, but the bundle was made for ${kind}`,
    );
  const wanted = taskLabels(task);
  if (labels.length !== wanted.length || labels.some((label, i) => label !== wanted[i]))
    throw new FedrotError(
      'config_invalid',
      `task.labels: the run has ${wanted.join(', ')}, but the bundle was made for ${labels.join(', ')}, in this order`,
    );
  if (task.maxTokens > manifest.model.maxTokens)
    throw new FedrotError(
      'config_invalid',
      `task.maxTokens: ${task.maxTokens} is more than the ${manifest.model.maxTokens} tokens that the model has positions for`,
    );
}
