import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { FedrotError } from '../errors.js';
import { createAuthority, loadAuthority, type Authority } from './authority.js';
import { toPem } from './certificate.js';
import { privateKeyPem } from './keys.js';
import { readPublicFile, readSecret, writeFileAtomic, writeSecret } from './secret-file.js';

const KEY = 'ca-key.pem';
const CERTIFICATE = 'ca.pem';

/**
 * The authority in a folder; made on first start. Key 0600, certificate 0644. Throws storage_corrupt where only one of the two
 * files is there: a new authority would lock out every party, so that is for a person to decide.
 */
export async function openAuthority(options: {
  readonly folder: string;
  /** The consortium's name, for a new authority. */
  readonly name: string;
  readonly nowMs: number;
}): Promise<{ authority: Authority; created: boolean }> {
  const key = join(options.folder, KEY);
  const certificate = join(options.folder, CERTIFICATE);
  const [hasKey, hasCertificate] = [existsSync(key), existsSync(certificate)];
  if (hasCertificate && !hasKey)
    throw new FedrotError(
      'storage_corrupt',
      `${certificate} is there, ${KEY} is not; restore both from a backup, or remove it to begin with a new authority, which every party must then join anew`,
    );
  if (hasKey && hasCertificate)
    return { authority: readAuthority({ certificate, key, nowMs: options.nowMs }), created: false };
  if (hasKey) readSecret(key); // refuses a key that others may read before it is replaced
  const authority = await createAuthority({ name: options.name, nowMs: options.nowMs });
  // Key first: a crash between the two leaves a key that nothing was signed with yet.
  writeSecret(key, privateKeyPem(authority.key));
  writeFileAtomic(certificate, toPem([authority.certificate]));
  return { authority, created: true };
}

/** An authority that was brought: PEM files. Throws as loadAuthority and readSecret do. */
export function readAuthority(files: {
  /** The issuing certificate first, then its chain. */
  readonly certificate: string;
  readonly key: string;
  /** Default: the last one of `certificate`. */
  readonly root?: string;
  readonly nowMs: number;
}): Authority {
  return loadAuthority({
    certificatePem: readPublicFile(files.certificate),
    keyPem: readSecret(files.key),
    ...(files.root !== undefined && { rootPem: readPublicFile(files.root) }),
    nowMs: files.nowMs,
    where: files.certificate,
  });
}
