import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { FedrotError } from '../../errors.js';
import { readPublicFile, writeFileAtomic } from '../../pki/secret-file.js';

const FILE = 'enrolment.json';

const schema = z.strictObject({
  format: z.literal('fedrot-enrolment/1'),
  /** host:port */
  coordinator: z.string(),
  /** The coordinator's own name: whom signed requests are for. */
  audience: z.string(),
  kind: z.enum(['silo', 'operator', 'coordinator', 'signer']),
  name: z.string(),
  mode: z.enum(['tls', 'signed']),
  /** As given to `fedrot enrol`. */
  roots: z.string().optional(),
  proxy: z.string().optional(),
});

/** What a party was told when it enrolled, beside its credential: so nothing has to be said twice. */
export type Enrolment = Readonly<z.output<typeof schema>>;

export function writeEnrolment(folder: string, enrolment: Enrolment): void {
  writeFileAtomic(join(folder, FILE), `${JSON.stringify(enrolment, null, 2)}\n`, 0o600);
}

/** Undefined where the credential came another way. Throws file_invalid. */
export function readEnrolment(folder: string): Enrolment | undefined {
  const path = join(folder, FILE);
  if (!existsSync(path)) return undefined;
  try {
    return schema.parse(JSON.parse(readPublicFile(path)));
  } catch (cause) {
    throw new FedrotError('file_invalid', `${path}: is no enrolment; enrol again`, { cause });
  }
}
