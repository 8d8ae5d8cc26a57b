import type { Logger } from '../../src/log.js';

/** An error as JSON would leave it out. */
function plain(_key: string, value: unknown): unknown {
  if (!(value instanceof Error)) return value;
  return Object.assign({}, value, { message: value.message, stack: value.stack, cause: value.cause });
}

/** A logger whose lines, of every level, a test can read: JSON with `msg`. */
export function recordingLogger(lines: string[], base: Readonly<Record<string, unknown>> = {}): Logger {
  const write = (fields: unknown, message?: string): void => {
    const given = typeof fields === 'string' ? { msg: fields } : { ...(fields as object), msg: message };
    lines.push(`${JSON.stringify({ ...base, ...given }, plain)}\n`);
  };
  const levels = { trace: write, debug: write, info: write, warn: write, error: write, fatal: write };
  const child = (more: Readonly<Record<string, unknown>>): Logger =>
    recordingLogger(lines, { ...base, ...more });
  return { ...levels, child } as unknown as Logger;
}
