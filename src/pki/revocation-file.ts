import { existsSync } from 'node:fs';
import { z } from 'zod';
import { FedrotError } from '../errors.js';
import { NOBODY_REVOKED, type RevocationList } from './revocation.js';
import { readPublicFile, writeFileAtomic } from './secret-file.js';

const entry = z.strictObject({ atMs: z.number(), by: z.string(), reason: z.string().max(500) });

const schema = z.strictObject({
  format: z.literal('fedrot-revocations/1'),
  serials: z.record(z.string().regex(/^[0-9a-f]{1,40}$/), entry),
  names: z.record(z.string().regex(/^[a-z]+:[a-z0-9][a-z0-9._-]{0,62}$/), entry),
});

/** The list in a file; nobody where there is none. Throws storage_corrupt: a list that cannot be read admits nobody. */
export function readRevocations(path: string): RevocationList {
  if (!existsSync(path)) return NOBODY_REVOKED;
  const text = readPublicFile(path);
  try {
    const { serials, names } = schema.parse(JSON.parse(text));
    return { serials, names };
  } catch (cause) {
    throw new FedrotError(
      'storage_corrupt',
      `${path}: this is no list of revocations; restore it from a backup: without it, revoked parties would be let in`,
      { cause },
    );
  }
}

/** Durable when it returns. */
export function writeRevocations(path: string, list: RevocationList): void {
  writeFileAtomic(path, `${JSON.stringify({ format: 'fedrot-revocations/1', ...list }, null, 2)}\n`);
}
