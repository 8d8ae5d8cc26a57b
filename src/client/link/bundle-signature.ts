import { readFile, writeFile } from 'node:fs/promises';
import type { X509Certificate } from 'node:crypto';
import { SIGNATURE_FILE } from '../../bundle-names.js';
import { FedrotError } from '../../errors.js';
import { parseBundleSignature, verifyBundle } from '../../evidence/bundle-signature.js';
import { parseCertificates } from '../../pki/certificate.js';
import { verifyCertificate } from '../../pki/verify-certificate.js';
import { fits } from '../../name-patterns.js';
import type { Connection } from './connection.js';

/** Whose signatures a silo believes. */
export interface TrustedSigners {
  readonly roots: readonly X509Certificate[];
  /** Names of signers; * stands for anything. */
  readonly names: readonly string[];
  /** Unix epoch, ms. */
  readonly now: () => number;
}

const MAX_BYTES = 64 * 1024;

/**
 * Nothing of a bundle is loaded before this: its name must be signed by a signer that the consortium's authority vouches for and
 * the silo's administrator accepts. The signature is kept at `path` and verified every time. Throws unauthenticated, permission_denied.
 */
export async function requireSignature(
  connection: Connection,
  bundle: string,
  path: string,
  { roots, names, now }: TrustedSigners,
  signal: AbortSignal,
): Promise<void> {
  const text = await readFile(path, 'utf8').catch(() => fetchSignature(connection, bundle, signal));
  const signed = parseBundleSignature(text, `${SIGNATURE_FILE} of bundle ${bundle.slice(0, 12)}`);
  const [leaf, ...intermediates] = parseCertificates(signed.certificates, SIGNATURE_FILE);
  if (leaf === undefined) throw new FedrotError('unauthenticated', 'the signature names no signer');
  const facts = verifyCertificate(leaf, { roots, intermediates, nowMs: now(), usage: 'document' });
  verifyBundle(bundle, signed, [leaf.publicKey]);
  if (!fits(names, facts.identity.name))
    throw new FedrotError(
      'permission_denied',
      `the bundle is signed by ${facts.identity.name}; this silo loads what ${names.join(', ')} signed (accept.signers)`,
    );
  await writeFile(path, text);
}

async function fetchSignature(connection: Connection, bundle: string, signal: AbortSignal): Promise<string> {
  return connection.repeat(`fetch the signature of bundle ${bundle.slice(0, 12)}`, signal, async () => {
    const parts: Buffer[] = [];
    let bytes = 0;
    const asked = { bundleSha256: bundle, file: SIGNATURE_FILE, offset: 0 };
    for await (const { chunk } of connection.calls.fetchBundleFile(asked, { signal })) {
      if (!chunk) continue;
      bytes += chunk.data.length;
      if (bytes > MAX_BYTES)
        throw new FedrotError('message_too_large', `the signature has more than ${MAX_BYTES} bytes`);
      parts.push(chunk.data);
    }
    return Buffer.concat(parts).toString('utf8');
  });
}
