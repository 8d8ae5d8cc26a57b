import type { z } from 'zod';

type Issue = z.core.$ZodIssue;

const UNITS: Readonly<Record<string, string>> = { string: ' characters', array: ' entries', set: ' entries' };

/** One issue of a schema, as a person would say it; a text that the schema gives itself stays as it is. */
export function issueText(issue: Issue): string {
  const { code, message } = issue;
  if (code === 'too_small' && message.startsWith('Too small'))
    return `must ${bound(issue.inclusive === false ? 'be more than' : 'be at least', issue.minimum, issue.origin)}`;
  if (code === 'too_big' && message.startsWith('Too big'))
    return `must ${bound(issue.inclusive === false ? 'be less than' : 'be at most', issue.maximum, issue.origin)}`;
  return message;
}

function bound(relation: string, value: number | bigint, origin: string): string {
  const unit = UNITS[origin];
  return unit === undefined ? `${relation} ${value}` : `${relation.replace(/^be /, 'have ')} ${value}${unit}`;
}
