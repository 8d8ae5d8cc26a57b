import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { KeyObject, X509Certificate } from 'node:crypto';
import { FedrotError } from '../errors.js';
import { toPem } from './certificate.js';
import { credentialPem, parseCredential, type Credential } from './credential.js';
import { generateKey, parsePrivateKey, privateKeyPem } from './keys.js';
import { readPublicFile, readSecret, writeFileAtomic, writeSecret } from './secret-file.js';

/** Files in a party's credential folder. */
const CREDENTIAL = 'credential.pem'; // key and chain, 0600: one rename replaces both
const ROOTS = 'ca.pem';
const PENDING = 'pending-key.pem'; // a key whose certificate has not come yet

export function hasCredential(folder: string): boolean {
  return existsSync(join(folder, CREDENTIAL));
}

/** Throws not_found with what to do, permission_denied where others may read the key, otherwise as parseCredential. */
export function readCredential(folder: string): Credential {
  if (!hasCredential(folder))
    throw new FedrotError(
      'not_found',
      `${folder}: there is no credential; ask the consortium's operator for a token and run \`fedrot enrol\``,
    );
  return parseCredential(
    { credential: readSecret(join(folder, CREDENTIAL)), roots: readPublicFile(join(folder, ROOTS)) },
    folder,
  );
}

/**
 * The key to ask a certificate for: made here, kept on disk (0600) until the certificate is there, so that a second try
 * after a lost answer asks with the same key and the token still counts.
 */
export function pendingKey(folder: string): KeyObject {
  const path = join(folder, PENDING);
  if (existsSync(path)) return parsePrivateKey(readSecret(path), path);
  const key = generateKey();
  writeSecret(path, privateKeyPem(key));
  return key;
}

/** Stores a credential (0600) with its roots (0644), and forgets the pending key. */
export function writeCredential(
  folder: string,
  credential: {
    readonly key: KeyObject;
    readonly certificates: readonly X509Certificate[];
    readonly roots: readonly X509Certificate[];
  },
): void {
  writeFileAtomic(join(folder, ROOTS), toPem(credential.roots));
  writeSecret(join(folder, CREDENTIAL), credentialPem(credential));
  rmSync(join(folder, PENDING), { force: true });
}
