import { FedrotError } from '../errors.js';

/** What canonical JSON can say. Numbers are finite doubles. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** Deeper values are refused: nothing of ours is, and what comes from outside must not exhaust the stack. */
const MAX_DEPTH = 64;

/**
 * JSON Canonicalization Scheme (RFC 8785): no white space, keys by UTF-16 code units, strings and numbers as ECMAScript
 * writes them. One value has one text, so a digest or a signature of the text is one of the value. Throws
 * manifest_invalid, naming the place, for what has no such text: undefined, NaN, infinity, lone surrogates, objects with a
 * class of their own.
 */
export function canonicalJson(value: unknown): string {
  return write(value, '$', 0);
}

function write(value: unknown, path: string, depth: number): string {
  if (depth > MAX_DEPTH) throw invalid(path, `is nested deeper than ${MAX_DEPTH}`);
  switch (typeof value) {
    case 'boolean':
      return String(value);
    case 'number':
      if (!Number.isFinite(value)) throw invalid(path, `${value} has no form in JSON`);
      return JSON.stringify(value);
    case 'string':
      if (/\p{Surrogate}/u.test(value)) throw invalid(path, 'holds half of a surrogate pair');
      return JSON.stringify(value);
    case 'object':
      if (value === null) return 'null';
      if (Array.isArray(value))
        return `[${value.map((item, index) => write(item, `${path}[${index}]`, depth + 1)).join(',')}]`;
      return writeObject(value, path, depth);
    default:
      throw invalid(path, `${typeof value} has no form in JSON`);
  }
}

function writeObject(value: object, path: string, depth: number): string {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) throw invalid(path, 'is not a plain object');
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries
    .map(([key, item]) => `${write(key, path, depth)}:${write(item, `${path}.${key}`, depth + 1)}`)
    .join(',')}}`;
}

function invalid(path: string, what: string): FedrotError {
  return new FedrotError('manifest_invalid', `canonical JSON: ${path} ${what}`);
}

/**
 * The value of a canonical text. Throws file_invalid where the text is no JSON, or is JSON in another form: white space,
 * another order of keys, a key twice, a number written otherwise.
 */
export function parseCanonical(text: string, where = 'document'): unknown {
  let value: unknown;
  let again: string;
  try {
    value = JSON.parse(text);
    again = canonicalJson(value);
  } catch (cause) {
    throw new FedrotError('file_invalid', `${where}: this is no JSON`, { cause });
  }
  if (again !== text)
    throw new FedrotError('file_invalid', `${where}: the JSON is not in canonical form (RFC 8785)`);
  return value;
}
