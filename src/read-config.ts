import type { z } from 'zod';
import { FedrotError } from './errors.js';
import { issueText } from './issue-text.js';

/** `a.b.0: what is wrong`, one entry an issue, so that one line says what and where. */
export function describeIssues(error: z.ZodError): string {
  return error.issues
    .map((issue) => {
      const where = issue.path.map(String).join('.') || '(top level)';
      return `${where}: ${issueText(issue)}`;
    })
    .join('; ');
}

/**
 * Any value as what the schema says, with defaults filled in, frozen. Throws config_unknown_key or config_invalid; `where` names the
 * file.
 */
export function readConfig<S extends z.ZodType<object>>(
  schema: S,
  value: unknown,
  where: string,
): Readonly<z.output<S>> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return Object.freeze(parsed.data);
  const unknown = parsed.error.issues.some((issue) => issue.code === 'unrecognized_keys');
  throw new FedrotError(
    unknown ? 'config_unknown_key' : 'config_invalid',
    `${where}: ${describeIssues(parsed.error)}`,
  );
}
