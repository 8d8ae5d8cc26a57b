import { FedrotError } from '../../errors.js';
import type { LabelKind } from '../../model/batch.js';
import { encodeCompletion, encodePlain, type LabelledEncoding } from '../../model/encode-causal.js';
import { encodeWords } from '../../model/encode-words.js';
import type { TextTokenizer } from '../../model/tokenizer.js';
import { taskLabels, type CausalTaskSpec, type TaskSpec } from '../../run-spec.js';
import type { DataPart } from '../data/data-set.js';
import type { Example } from '../data/example.js';
import { classIndices } from '../data/labels.js';

/** Makes rows of tokens and labels of the examples of one file, as a task wants them. */
export interface TaskEncoder {
  readonly labels: LabelKind;
  /** Whether an example may make more rows than one, or none. */
  readonly severalRows: boolean;
  /** The rows of an example. */
  readonly encode: (index: number) => LabelledEncoding[];
}

export interface EncoderOptions {
  readonly tokenizer: TextTokenizer;
  /** The token that ends a text. */
  readonly endId?: number | undefined;
}

/**
 * The encoder of a task. Looks at every label first: throws data_unknown_label, data_invalid or data_missing_column with file
 * and line, before anything costs time.
 */
export type MakeEncoder = (task: TaskSpec, data: DataPart) => (options: EncoderOptions) => TaskEncoder;

const at = (data: DataPart, index: number): Example => {
  const example = data.examples[index];
  if (example === undefined) throw new FedrotError('internal', `there is no example ${index}`);
  return example;
};

/** Throws for the first example that the task has no use for. */
function demand(data: DataPart, holds: (example: Example) => boolean, want: string): void {
  const bad = data.examples.find((example) => !holds(example));
  if (bad !== undefined) throw new FedrotError('data_missing_column', `${data.path}:${bad.line}: ${want}`);
}

const NO_LABEL = 'has no label, which this run needs (set data.columns.label)';

/** One row an example, with what `labelOf` says of it. */
function textEncoder(
  task: TaskSpec,
  data: DataPart,
  labels: LabelKind,
  labelOf: (index: number) => number,
): (options: EncoderOptions) => TaskEncoder {
  return ({ tokenizer }) => ({
    labels,
    severalRows: false,
    encode: (index) => {
      const { text, textPair } = at(data, index);
      const encoding = tokenizer.encode(text, { pair: textPair, maxTokens: task.maxTokens });
      return [{ ...encoding, labels: [labelOf(index)] }];
    },
  });
}

const classification: MakeEncoder = (task, data) => {
  demand(data, ({ label }) => label !== '', NO_LABEL);
  const classes = classIndices(data.examples, taskLabels(task), data.path);
  return textEncoder(task, data, 'class', (index) => classes[index] ?? -1);
};

const regression: MakeEncoder = (task, data) => {
  demand(data, ({ label }) => label !== '', NO_LABEL);
  const bad = data.examples.find(({ label }) => label.trim() === '' || !Number.isFinite(Number(label)));
  if (bad !== undefined)
    throw new FedrotError('data_invalid', `${data.path}:${bad.line}: the label must be a number`);
  return textEncoder(task, data, 'number', (index) => Number(at(data, index).label));
};

const tokenClassification: MakeEncoder = (task, data) => {
  demand(
    data,
    ({ words }) => words !== undefined,
    'has no words with tags (set data.columns.words and tags)',
  );
  const known = taskLabels(task);
  // Every tag as an example of its own, so that the same check and message serve.
  const tags = data.examples.flatMap(({ words = [], line }) =>
    words.map(({ tag }) => ({ text: '', label: tag, line })),
  );
  classIndices(tags, known, data.path);
  const index = new Map(known.map((label, id) => [label, id]));
  return ({ tokenizer }) => ({
    labels: 'tokens',
    severalRows: false,
    encode: (example) => {
      const words = (at(data, example).words ?? []).map(({ word, tag }) => ({
        word,
        label: index.get(tag) ?? -1,
      }));
      return [encodeWords(tokenizer, words, task.maxTokens)];
    },
  });
};

const causal: MakeEncoder = (task, data) => {
  const { maxTokens, prompt, longTexts } = task as CausalTaskSpec;
  return ({ tokenizer, endId }) => ({
    labels: 'tokens',
    severalRows: true,
    encode: (index) => {
      const { text, completion } = at(data, index);
      const options = { maxTokens, endId, prompt, longTexts };
      return completion === undefined
        ? encodePlain(tokenizer, text, options)
        : encodeCompletion(tokenizer, text, completion, options);
    },
  });
};

const ENCODERS: Readonly<Record<TaskSpec['kind'], MakeEncoder>> = {
  'text-classification': classification,
  'text-regression': regression,
  'token-classification': tokenClassification,
  'causal-lm': causal,
};

export const taskEncoder: MakeEncoder = (task, data) => ENCODERS[task.kind](task, data);
