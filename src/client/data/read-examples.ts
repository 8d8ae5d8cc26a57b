import { extname } from 'node:path';
import { FedrotError } from '../../errors.js';
import type { ColumnNames, DataFormat } from './data-config.js';
import type { Example, Row } from './example.js';
import { readCsv } from './read-csv.js';
import { readJsonl } from './read-jsonl.js';

export interface ReadOptions {
  /** Default auto. */
  readonly format?: DataFormat;
  readonly columns: ColumnNames;
  /** Field that goes to Example.group; default none. */
  readonly group?: string | undefined;
}

type Reader = (path: string) => AsyncIterable<Row>;

const READERS: Readonly<Record<Exclude<DataFormat, 'auto'>, Reader>> = {
  jsonl: readJsonl,
  csv: (path) => readCsv(path, ','),
  tsv: (path) => readCsv(path, '\t'),
};

const FORMAT_OF_ENDING: Readonly<Record<string, keyof typeof READERS>> = {
  '.jsonl': 'jsonl',
  '.ndjson': 'jsonl',
  '.csv': 'csv',
  '.tsv': 'tsv',
};

function readerOf(path: string, format: DataFormat): Reader {
  if (format !== 'auto') return READERS[format];
  const found = FORMAT_OF_ENDING[extname(path).toLowerCase()];
  if (found === undefined)
    throw new FedrotError(
      'data_invalid',
      `${path}: the ending does not tell the format; say which (data.format, or --format of fedrot evaluate): ${Object.keys(READERS).join(', ')}`,
    );
  return READERS[found];
}

/** The value of a column as text. Numbers and booleans of JSON count as text: labels are often 0 and 1. */
function field(row: Row, column: string, path: string): string {
  const value = Object.hasOwn(row.fields, column) ? row.fields[column] : undefined;
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (value === undefined)
    throw new FedrotError(
      'data_missing_column',
      `${path}:${row.line}: has no column ${JSON.stringify(column)}; it has ${Object.keys(row.fields)
        .map((name) => JSON.stringify(name))
        .join(
          ', ',
        )} (data.columns, or --…-column of fedrot evaluate, say which hold what; label: null for texts without labels)`,
    );
  const got = value === null ? 'null' : Array.isArray(value) ? 'a list' : 'an object';
  throw new FedrotError(
    'data_invalid',
    `${path}:${row.line}: column ${JSON.stringify(column)} must be text, it is ${got}`,
  );
}

/** A column that holds a list of words, in JSON or separated by white space. */
function list(row: Row, column: string, path: string): string[] {
  const value = Object.hasOwn(row.fields, column) ? row.fields[column] : undefined;
  if (!Array.isArray(value))
    return field(row, column, path)
      .split(/\s+/)
      .filter((word) => word !== '');
  return value.map((entry: unknown) => {
    if (typeof entry === 'string' || typeof entry === 'number') return String(entry);
    throw new FedrotError(
      'data_invalid',
      `${path}:${row.line}: column ${JSON.stringify(column)} must be a list of texts`,
    );
  });
}

function taggedWords(
  row: Row,
  columns: { readonly words: string; readonly tags: string },
  path: string,
): Example {
  const words = list(row, columns.words, path);
  const tags = list(row, columns.tags, path);
  if (words.length !== tags.length || words.length === 0)
    throw new FedrotError(
      'data_invalid',
      `${path}:${row.line}: has ${words.length} words and ${tags.length} tags; there must be as many, and at least one`,
    );
  return {
    text: words.join(' '),
    label: '',
    words: words.map((word, i) => ({ word, tag: tags[i] ?? '' })),
    line: row.line,
  };
}

function exampleOf(row: Row, columns: ColumnNames, path: string): Example {
  const { prompt, completion, words, tags } = columns;
  if (prompt !== undefined && completion !== undefined)
    return {
      text: field(row, prompt, path),
      completion: field(row, completion, path),
      label: '',
      line: row.line,
    };
  if (words !== undefined && tags !== undefined) return taggedWords(row, { words, tags }, path);
  const text = field(row, columns.text, path);
  const pair = columns.textPair === undefined ? {} : { textPair: field(row, columns.textPair, path) };
  if (columns.label === null) return { text, ...pair, label: '', line: row.line };
  const label = field(row, columns.label, path);
  if (label === '')
    throw new FedrotError(
      'data_invalid',
      `${path}:${row.line}: column ${JSON.stringify(columns.label)}, the label, is empty`,
    );
  return { text, ...pair, label, line: row.line };
}

/**
 * All examples of a file, in its order. Every failure is one line with file, line and what to do: data_invalid,
 * data_missing_column, data_empty. A blank text is an example like any other.
 */
export async function readExamples(
  path: string,
  { format = 'auto', columns, group }: ReadOptions,
): Promise<Example[]> {
  const examples: Example[] = [];
  for await (const row of readerOf(path, format)(path)) {
    const example = exampleOf(row, columns, path);
    examples.push(group === undefined ? example : { ...example, group: field(row, group, path) });
  }
  if (examples.length === 0) throw new FedrotError('data_empty', `${path}: holds no examples`);
  return examples;
}
