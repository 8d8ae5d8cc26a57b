import { Readable } from 'node:stream';
import { CsvError, parse } from 'csv-parse';
import { FedrotError } from '../../errors.js';
import type { Row } from './example.js';
import { textChunks } from './text-chunks.js';

const MAX_RECORD_CHARACTERS = 16 * 1024 * 1024;

interface Parsed {
  readonly info: { readonly lines: number };
  readonly record: Readonly<Record<string, string>>;
}

/** What csv-parse's codes mean to the file's owner; its own messages quote the data. */
const REASONS: Readonly<Partial<Record<string, string>>> = {
  CSV_RECORD_INCONSISTENT_COLUMNS: 'has another number of columns than the header',
  CSV_INVALID_CLOSING_QUOTE: 'has a character other than a delimiter after a closing quote',
  CSV_QUOTE_NOT_CLOSED: 'the file ends inside a quoted field: a quote was opened and not closed',
  INVALID_OPENING_QUOTE:
    'has a quote inside a field that does not begin with one; double quotes in a field are written ""',
  CSV_MAX_RECORD_SIZE: `has a record of more than ${MAX_RECORD_CHARACTERS} characters; is a quote not closed?`,
};

function reason(error: CsvError): string {
  const code: string = error.code;
  return REASONS[code] ?? `is not valid CSV (${code})`;
}

/**
 * CSV (RFC 4180) with a header line; quoted fields may hold delimiters and line ends, blank lines are skipped. Throws
 * data_invalid with the line, data_empty where there is no header.
 */
export async function* readCsv(path: string, delimiter: ',' | '\t'): AsyncGenerator<Row, void, undefined> {
  const parser = parse({
    columns: (header: string[]) => uniqueNames(header, path),
    delimiter,
    info: true,
    skip_empty_lines: true,
    max_record_size: MAX_RECORD_CHARACTERS,
  });
  const source = Readable.from(textChunks(path));
  source.on('error', (error) => parser.destroy(error));
  source.pipe(parser);
  try {
    for await (const { info, record } of parser as AsyncIterable<Parsed>)
      yield { line: info.lines, fields: record };
  } catch (cause) {
    if (!(cause instanceof CsvError)) throw cause;
    const line = typeof cause.lines === 'number' ? cause.lines : parser.info.lines;
    throw new FedrotError('data_invalid', `${path}:${line}: ${reason(cause)}`, { cause });
  } finally {
    source.destroy();
  }
}

function uniqueNames(header: readonly string[], path: string): string[] {
  const names = header.map((name) => name.trim());
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined)
    throw new FedrotError(
      'data_invalid',
      `${path}:1: the column ${JSON.stringify(twice)} comes twice in the header`,
    );
  return names;
}
