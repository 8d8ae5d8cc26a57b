import { FedrotError } from '../errors.js';
import { IGNORED_LABEL } from './cross-entropy.js';
import type { ElementType, ValueInfo } from './ir/graph.js';
import type { RuntimeData, RuntimeTensor } from './ort.js';
import type { LossKind } from './loss.js';
import type { Batch, FloatTensor, IntTensor } from './session-types.js';
import { LABELS } from './training-graph.js';

/** How many labels count towards the loss. */
export function countedLabels(batch: Batch): number {
  const { data } = batch.labels;
  let count = 0;
  if (data instanceof Float32Array) for (const target of data) count += Number.isNaN(target) ? 0 : 1;
  else for (const label of data) count += label === BigInt(IGNORED_LABEL) ? 0 : 1;
  return count;
}

function checked<T extends IntTensor | FloatTensor>(name: string, tensor: T): T {
  const count = tensor.dims.reduce((product, dim) => product * dim, 1);
  if (count !== tensor.data.length || count === 0)
    throw new FedrotError(
      'data_invalid',
      `batch: ${name} has shape [${tensor.dims.join(', ')}] but ${tensor.data.length} elements`,
    );
  return tensor;
}

/** Batches hold integers; some exports take the mask as numbers or booleans. */
const CONVERTED: Readonly<Partial<Record<ElementType, (data: BigInt64Array) => RuntimeData>>> = {
  int64: (data) => data,
  int32: (data) => Int32Array.from(data, Number),
  float: (data) => Float32Array.from(data, Number),
  bool: (data) => Uint8Array.from(data, (value) => (value === 0n ? 0 : 1)),
};

/** A batch as the graph takes it. Throws data_invalid where inputs are missing or unknown, or sizes or labels do not fit. */
export function batchFeeds(
  inputs: readonly ValueInfo[],
  batch: Batch,
  logits: { readonly classes: number; readonly loss: LossKind },
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
    const converted = CONVERTED[type]?.(data);
    if (converted === undefined)
      throw new FedrotError(
        'model_unsupported',
        `input ${name} has type ${type}; inputs can be ${Object.keys(CONVERTED).join(', ')}`,
      );
    feeds[name] = { type, dims, data: converted };
  }
  const known = new Set(inputs.map(({ name }) => name));
  const unknown = Object.keys(batch.inputs).find((name) => !known.has(name));
  if (unknown !== undefined)
    throw new FedrotError('data_invalid', `batch: the model has no input ${unknown}`);
  feeds[LABELS] = logits.loss === 'cross-entropy' ? classLabels(batch, logits.classes) : targets(batch);
  return feeds;
}

function classLabels(batch: Batch, classes: number): RuntimeTensor {
  const { dims, data } = checked('labels', batch.labels);
  if (data instanceof Float32Array)
    throw new FedrotError('data_invalid', 'batch: labels are numbers, but the session learns classes');
  for (const label of data)
    if (label !== BigInt(IGNORED_LABEL) && (label < 0n || label >= BigInt(classes)))
      throw new FedrotError(
        'data_invalid',
        `batch: label ${label.toString()} is none of the model's ${classes} classes (0 to ${classes - 1}, or ${IGNORED_LABEL})`,
      );
  return { type: 'int64', dims, data };
}

function targets(batch: Batch): RuntimeTensor {
  const { dims, data } = checked('labels', batch.labels);
  if (!(data instanceof Float32Array))
    throw new FedrotError('data_invalid', 'batch: labels are classes, but the session learns numbers');
  if (data.some((target) => Math.abs(target) === Infinity))
    throw new FedrotError('data_invalid', 'batch: a target is infinite');
  return { type: 'float', dims, data };
}
