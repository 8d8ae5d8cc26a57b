import { FedrotError } from './errors.js';

/** Names of silos, operators, coordinators and runs (proto/fedrot/v1): they become names of files and labels, so nothing else is let in. */
export const NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/;

/** What a name must be, for messages. */
export const NAME_RULE = 'must be 1 to 63 of a-z 0-9 . _ -, beginning with a letter or digit';

/** The name, if it is one; `what` says whose. Throws option_invalid. */
export function checkName(name: string, what = 'name'): string {
  if (NAME.test(name)) return name;
  throw new FedrotError('option_invalid', `${what} ${JSON.stringify(name.slice(0, 80))}: ${NAME_RULE}`);
}

/** What bundles, adapters and updates are called: a SHA-256 in 64 hexadecimal digits, small letters. */
export const SHA256 = /^[0-9a-f]{64}$/;
