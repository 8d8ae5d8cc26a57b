import { createPublicKey, type KeyObject, type X509Certificate } from 'node:crypto';
import { FedrotError } from '../errors.js';
import { certificateFacts, parseCertificates, toPem, type CertificateFacts } from './certificate.js';
import { parsePrivateKey, privateKeyPem, spki } from './keys.js';

/** A party's key with its certificate, and whom it trusts. */
export interface Credential {
  readonly key: KeyObject;
  /** The party's own certificate, then the authorities between it and the root. */
  readonly certificates: readonly X509Certificate[];
  /** The consortium's authority, and others that the administrator added. */
  readonly roots: readonly X509Certificate[];
  readonly facts: CertificateFacts;
}

/**
 * A credential from PEM: key and certificate chain (in one text, or joined by the caller), and the roots. Throws file_invalid
 * where the parts do not belong together; unauthenticated where the certificate names nobody.
 */
export function parseCredential(
  pem: { readonly credential: string; readonly roots: string },
  where = 'credential',
): Credential {
  const key = parsePrivateKey(pem.credential, where);
  const certificates = parseCertificates(pem.credential, where);
  const roots = parseCertificates(pem.roots, `${where}: authority`);
  const [own] = certificates;
  if (!own || !spki(createPublicKey(key)).equals(spki(own.publicKey)))
    throw new FedrotError('file_invalid', `${where}: the key does not belong to the certificate`);
  return { key, certificates, roots, facts: certificateFacts(own.raw) };
}

/** Key and certificates in one PEM text: one file, so that a renewal replaces both at once. */
export function credentialPem(credential: Pick<Credential, 'key' | 'certificates'>): string {
  return privateKeyPem(credential.key) + toPem(credential.certificates);
}
