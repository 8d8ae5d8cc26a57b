import { FedrotError } from '../errors.js';
import { IGNORED_LABEL } from './cross-entropy.js';
import type { ValueInfo } from './ir/graph.js';
import type { RuntimeTensor } from './ort.js';
import type { Batch, IntTensor } from './session-types.js';
import { LABELS } from './training-graph.js';

/** How many labels count towards the loss. */
export function countedLabels(batch: Batch): number {
  let count = 0;
  for (const label of batch.labels.data) if (label !== BigInt(IGNORED_LABEL)) count++;
  return count;
}

function checked(name: string, tensor: IntTensor): IntTensor {
  const count = tensor.dims.reduce((product, dim) => product * dim, 1);
  if (count !== tensor.data.length || count === 0)
    throw new FedrotError(
      'data_invalid',
      `batch: ${name} has shape [${tensor.dims.join(', ')}] but ${tensor.data.length} elements`,
    );
  return tensor;
}

/** A batch as the graph takes it. Throws data_invalid where inputs are missing or unknown, or sizes or labels do not fit. */
export function batchFeeds(
  inputs: readonly ValueInfo[],
  batch: Batch,
  logits: { readonly classes: number },
): Record<string, RuntimeTensor> {
  const feeds: Record<string, RuntimeTensor> = {};
  for (const { name, type } of inputs) {
    const given = batch.inputs[name];
    if (given === undefined)
      throw new FedrotError(
        'data_invalid',
        `batch: input ${name} is missing; the model takes ${inputs.map((input) => input.name).join(', ')}`,
      );
    const { dims, data } = checked(`input ${name}`, given);
    if (type === 'int64') feeds[name] = { type, dims, data };
    else if (type === 'int32') feeds[name] = { type, dims, data: Int32Array.from(data, Number) };
    else
      throw new FedrotError(
        'model_unsupported',
        `input ${name} has type ${type}; batches hold integers (int64 or int32)`,
      );
  }
  const known = new Set(inputs.map(({ name }) => name));
  const unknown = Object.keys(batch.inputs).find((name) => !known.has(name));
  if (unknown !== undefined)
    throw new FedrotError('data_invalid', `batch: the model has no input ${unknown}`);
  const labels = checked('labels', batch.labels);
  for (const label of labels.data)
    if (label !== BigInt(IGNORED_LABEL) && (label < 0n || label >= BigInt(logits.classes)))
      throw new FedrotError(
        'data_invalid',
        `batch: label ${label.toString()} is none of the model's ${logits.classes} classes (0 to ${logits.classes - 1}, or ${IGNORED_LABEL})`,
      );
  feeds[LABELS] = { type: 'int64', dims: labels.dims, data: labels.data };
  return feeds;
}
