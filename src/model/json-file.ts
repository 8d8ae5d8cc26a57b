import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { z } from 'zod';
import { FedrotError } from '../errors.js';
import { describeIssues } from '../read-config.js';

/**
 * The JSON object in a file. Throws not_found where the file is absent, file_invalid where it is not a JSON
 * object.
 */
export async function readJsonObject(path: string): Promise<Record<string, unknown>> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    const missing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
    throw new FedrotError(
      missing ? 'not_found' : 'file_invalid',
      `${path}: ${missing ? 'there is no such file' : 'cannot be read'}`,
      { cause },
    );
  }
  return parseJsonObject(text, path);
}

/** The JSON object in a text; `where` names it in the error. Throws file_invalid. */
export function parseJsonObject(text: string, where: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FedrotError('file_invalid', `${where}: not JSON: ${reason}`, { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new FedrotError('file_invalid', `${where}: must be a JSON object`);
  return value as Record<string, unknown>;
}

/** A value checked against a schema. Throws file_invalid that names the file and every key that is wrong. */
export function checkJson<S extends z.ZodType>(schema: S, value: unknown, path: string): z.output<S> {
  const parsed = schema.safeParse(value);
  if (!parsed.success)
    throw new FedrotError('file_invalid', `${basename(path)}: ${describeIssues(parsed.error)}`);
  return parsed.data;
}
