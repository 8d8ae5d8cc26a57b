import { readFileSync } from 'node:fs';
import { parseDocument, type YAMLError } from 'yaml';
import { FedrotError } from '../../errors.js';
import { requireShallow } from './nesting.js';

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  EACCES: 'no permission to read it',
  EISDIR: 'is a folder, not a file',
};

function readTextFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? '';
    const reason = REASONS[code] ?? `cannot be read (${code})`;
    throw new FedrotError(code === 'ENOENT' ? 'not_found' : 'config_invalid', `${path}: ${reason}`, {
      cause,
    });
  }
}

/** What the text says, with the first thing that is wrong with it. The library throws for aliases that multiply. */
function parse(text: string, path: string): { value: unknown; error: YAMLError | undefined } {
  requireShallow(text, path);
  try {
    const document = parseDocument(text, { prettyErrors: true });
    const [error] = document.errors;
    return { value: error === undefined ? (document.toJS() as unknown) : undefined, error };
  } catch (cause) {
    throw new FedrotError('config_invalid', `${path}: ${(cause as Error).message}`, { cause });
  }
}

/**
 * A YAML (or JSON) file as a mapping; an empty file is an empty mapping. Throws config_invalid with file, line and
 * column, also for a key that is given twice.
 */
export function readYamlFile(path: string): Record<string, unknown> {
  const { value, error } = parse(readTextFile(path), path);
  if (error !== undefined) {
    const at = error.linePos?.[0];
    const where = at === undefined ? path : `${path}:${at.line}:${at.col}`;
    const what = error.message.split(/ at line \d|\n/)[0] ?? error.message;
    throw new FedrotError('config_invalid', `${where}: ${what}`);
  }
  const tree = value ?? {};
  if (typeof tree !== 'object' || Array.isArray(tree))
    throw new FedrotError('config_invalid', `${path}: must hold keys and values, as in \`key: value\``);
  return tree as Record<string, unknown>;
}
