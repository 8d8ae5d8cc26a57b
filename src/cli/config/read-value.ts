import { parseDocument } from 'yaml';
import { FedrotError } from '../../errors.js';
import { requireShallow } from './nesting.js';
import type { SettingKind } from './settings.js';

const BOOLEANS = new Map<string, boolean>([
  ['true', true],
  ['1', true],
  ['yes', true],
  ['on', true],
  ['false', false],
  ['0', false],
  ['no', false],
  ['off', false],
]);

const READERS: Readonly<Record<SettingKind, (text: string) => unknown>> = {
  string: (text) => text,
  number: (text) =>
    /^[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?$/i.test(text.trim()) ? Number(text) : undefined,
  boolean: (text) => BOOLEANS.get(text.trim().toLowerCase()),
  list: (text) =>
    text.trim() === ''
      ? []
      : text.trim().startsWith('[')
        ? readYaml(text)
        : text.split(',').map((item) => item.trim()),
  yaml: readYaml,
};

const EXPECTED: Readonly<Record<SettingKind, string>> = {
  string: 'a text',
  number: 'a number',
  boolean: 'true or false',
  list: 'a list: values between commas',
  yaml: 'YAML, for example {key: value}',
};

function readYaml(text: string): unknown {
  try {
    requireShallow(text, 'value');
    const document = parseDocument(text);
    return document.errors.length > 0 ? undefined : (document.toJS() as unknown);
  } catch {
    // Aliases that multiply, nesting without end.
    return undefined;
  }
}

/** The text of a flag or variable as a value; `source` (--flag or VARIABLE) begins the message of config_invalid. */
export function readValue(kind: SettingKind, text: string, source: string): unknown {
  const value = READERS[kind](text);
  if (value === undefined)
    throw new FedrotError('config_invalid', `${source}: ${JSON.stringify(text)} is not ${EXPECTED[kind]}`);
  return value;
}
