import { FedrotError } from '../../errors.js';
import type { Row } from './example.js';
import { textChunks } from './text-chunks.js';

/** Longest line that is read; characters. More is no example but a file of another kind. */
const MAX_LINE_CHARACTERS = 16 * 1024 * 1024;

function parseLine(text: string, path: string, line: number): Row {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new FedrotError(
      'data_invalid',
      `${path}:${line}: is not JSON; JSONL has one JSON object on every line`,
      {
        cause,
      },
    );
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new FedrotError(
      'data_invalid',
      `${path}:${line}: is not a JSON object, like {"text": …, "label": …}`,
    );
  return { line, fields: value as Readonly<Record<string, unknown>> };
}

/** JSON Lines (jsonlines.org): an object on every line; blank lines are skipped. Throws data_invalid. */
export async function* readJsonl(path: string): AsyncGenerator<Row, void, undefined> {
  let rest = '';
  let line = 0;
  for await (const chunk of textChunks(path)) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > MAX_LINE_CHARACTERS)
      throw new FedrotError(
        'data_invalid',
        `${path}:${line + lines.length + 1}: is longer than ${MAX_LINE_CHARACTERS} characters; is the file JSONL?`,
      );
    for (const text of lines) {
      line++;
      if (text.trim() !== '') yield parseLine(text, path, line);
    }
  }
  if (rest.trim() !== '') yield parseLine(rest, path, line + 1);
}
