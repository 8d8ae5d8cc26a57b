import { FedrotError } from '../errors.js';
import type { Batch, IntTensor } from '../train/session-types.js';
import { IGNORED_LABEL } from '../train/cross-entropy.js';
import type { Encoding } from './tokenizer.js';

export interface BatchOptions {
  /** Names of the model's inputs, from the bundle: input_ids, attention_mask, token_type_ids. */
  readonly inputs: readonly string[];
  readonly padId: number;
  /** The padded length is a multiple of this, so that few different shapes occur; default 8. */
  readonly multipleOf?: number;
  /** The padded length never exceeds this; default no limit. At least the longest encoding. */
  readonly maxTokens?: number;
}

/** One row of each input, by the input's name; padding gets what `pad` says. */
const INPUTS: Readonly<
  Record<
    string,
    { readonly row: (encoding: Encoding) => readonly number[]; readonly pad: (padId: number) => number }
  >
> = {
  input_ids: { row: ({ ids }) => ids, pad: (padId) => padId },
  attention_mask: { row: ({ ids }) => ids.map(() => 1), pad: () => 0 },
  token_type_ids: { row: ({ typeIds }) => typeIds, pad: () => 0 },
  position_ids: { row: ({ ids }) => ids.map((_, position) => position), pad: () => 0 },
};

/** Inputs that a batch can be made for. */
export const INPUT_NAMES: readonly string[] = Object.keys(INPUTS);

/** The length that rows of at most `longest` tokens are padded to. */
export function paddedLength(longest: number, multipleOf = 8, maxTokens = Infinity): number {
  return Math.max(longest, Math.min(Math.ceil(longest / multipleOf) * multipleOf, maxTokens));
}

/**
 * Encodings as the model's int64 inputs, batch × sequence, padded on the right to the longest row, rounded up
 * to a multiple. Throws data_empty for no rows, model_unsupported for an input that is not one of
 * INPUT_NAMES.
 */
export function makeInputs(encodings: readonly Encoding[], options: BatchOptions): Record<string, IntTensor> {
  if (encodings.length === 0) throw new FedrotError('data_empty', 'a batch needs at least one example');
  const longest = Math.max(...encodings.map(({ ids }) => ids.length));
  const length = paddedLength(longest, options.multipleOf, options.maxTokens);
  const tensors: Record<string, IntTensor> = {};
  for (const name of options.inputs) {
    const input = INPUTS[name];
    if (input === undefined)
      throw new FedrotError(
        'model_unsupported',
        `the model takes an input ${name}; batches can be made of ${INPUT_NAMES.join(', ')}`,
      );
    const data = new BigInt64Array(encodings.length * length).fill(BigInt(input.pad(options.padId)));
    encodings.forEach((encoding, row) => data.set(input.row(encoding).map(BigInt), row * length));
    tensors[name] = { dims: [encodings.length, length], data };
  }
  return tensors;
}

/** What labels are: one class a row, one number a row, or one class a token. */
export type LabelKind = 'class' | 'number' | 'tokens';

/**
 * Labels of a batch in the form that the loss takes: batch (int64 classes, float32 numbers) or batch × sequence (int64), with
 * −100 behind the end of a row. `length` is the padded length of the inputs.
 */
export function makeLabels(
  rows: readonly (readonly number[])[],
  kind: LabelKind,
  length: number,
): Batch['labels'] {
  if (kind === 'number')
    return { dims: [rows.length], data: Float32Array.from(rows, ([target = NaN]) => target) };
  if (kind === 'class')
    return {
      dims: [rows.length],
      data: BigInt64Array.from(rows, ([label = IGNORED_LABEL]) => BigInt(label)),
    };
  const data = new BigInt64Array(rows.length * length).fill(BigInt(IGNORED_LABEL));
  rows.forEach((labels, row) => data.set(labels.map(BigInt), row * length));
  return { dims: [rows.length, length], data };
}
