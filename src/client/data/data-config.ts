import { z } from 'zod';

/** Formats of data files; `auto` goes by the ending (.jsonl .ndjson .csv .tsv). */
export const DATA_FORMATS = ['auto', 'jsonl', 'csv', 'tsv'] as const;
export type DataFormat = (typeof DATA_FORMATS)[number];

const path = z.string().min(1);

const columnNames = z.strictObject({
  text: z.string().min(1).default('text').describe('column (CSV) or key (JSONL) with the text'),
  textPair: z.string().min(1).optional().describe('column with the second text of a pair, e.g. a hypothesis'),
  label: z
    .string()
    .min(1)
    .nullable()
    .default('label')
    .describe(
      'column with the label (regression: the number); null for texts without, as language models read them',
    ),
  prompt: z
    .string()
    .min(1)
    .optional()
    .describe('column with the prompt; with `completion`, instead of text and label'),
  completion: z
    .string()
    .min(1)
    .optional()
    .describe('column with what the model is to write after the prompt'),
  words: z
    .string()
    .min(1)
    .optional()
    .describe('column with the words of a text: a list (JSONL), or separated by spaces; with `tags`'),
  tags: z
    .string()
    .min(1)
    .optional()
    .describe('column with one label for each word: a list, or separated by spaces'),
});

/** Columns that only make sense together. */
const columnPairs = [
  ['prompt', 'completion'],
  ['words', 'tags'],
] as const;

/** Which column (CSV) or key (JSONL) holds what. */
export const columnsSchema = columnNames.refine(
  (columns) => columnPairs.every(([a, b]) => (columns[a] === undefined) === (columns[b] === undefined)),
  { error: 'prompt and completion go together, and so do words and tags' },
);

/** Which files hold a silo's examples, and how they are read. */
export const dataSchema = z.strictObject({
  train: path.optional().describe('file with the training examples; a trainer needs it'),
  test: path.optional().describe('file with the test examples; an evaluator needs it'),
  format: z.enum(DATA_FORMATS).default('auto').describe('format of the files; auto goes by their ending'),
  columns: columnsSchema.prefault({}),
  validationFraction: z
    .number()
    .min(0)
    .max(0.5)
    .default(0)
    .describe('share of the training examples kept for validation, 0 to 0.5; they are never trained on'),
  shareLabels: z
    .boolean()
    .default(true)
    .describe('tell the coordinator which labels occur, so that a mismatch shows before a run starts'),
});

export type ColumnNames = Readonly<z.output<typeof columnsSchema>>;
