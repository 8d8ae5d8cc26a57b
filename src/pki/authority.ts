import { createPublicKey, type KeyObject, type X509Certificate } from 'node:crypto';
import { FedrotError } from '../errors.js';
import { checkName } from '../name.js';
import { certificateContents, parseCertificate, parseCertificates } from './certificate.js';
import { generateKey, keyType, parsePrivateKey, spki, toWebCrypto } from './keys.js';
import { AUTHORITY_VALIDITY_DAYS, CLOCK_SKEW_MS, DAY_MS } from './profile.js';
import { newSerial } from './serial.js';
import { checkPath } from './verify-certificate.js';
import { x509 } from './x509.js';

/** Who signs the consortium's certificates: an authority of fedrot's own, or one that an organisation brought. */
export interface Authority {
  /** Signs certificates with `key`. */
  readonly certificate: X509Certificate;
  readonly key: KeyObject;
  /** Certificates between `certificate` and the root, `certificate` included and first; empty where it is the root. */
  readonly intermediates: readonly X509Certificate[];
  /** What everyone trusts. */
  readonly root: X509Certificate;
}

/** A new authority: ECDSA P-256, self-signed, valid for 10 years, for end certificates only (path length 0). */
export async function createAuthority(options: {
  /** The consortium's name; it becomes the certificate's common name. */
  readonly name: string;
  readonly nowMs: number;
  readonly validityDays?: number;
}): Promise<Authority> {
  const name = checkName(options.name, 'consortium name');
  const key = generateKey();
  const { keys, algorithm } = await toWebCrypto(key);
  const created = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: newSerial(),
    name: [{ CN: [name] }, { O: ['fedrot consortium'] }],
    notBefore: new Date(options.nowMs - CLOCK_SKEW_MS),
    notAfter: new Date(options.nowMs + (options.validityDays ?? AUTHORITY_VALIDITY_DAYS) * DAY_MS),
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  const certificate = parseCertificate(created.toString('pem'));
  return { certificate, key, intermediates: [], root: certificate };
}

/**
 * An authority from PEM texts: the issuing certificate first, then the chain up to the root, in one text or with the root
 * apart. Throws file_invalid where the key does not belong to the first certificate, where this may not sign
 * certificates, or where the chain does not reach the root.
 */
export function loadAuthority(options: {
  readonly certificatePem: string;
  readonly keyPem: string;
  /** Default: the last certificate of certificatePem. */
  readonly rootPem?: string;
  readonly nowMs: number;
  /** Begins every message, e.g. the folder. */
  readonly where?: string;
}): Authority {
  const { where = 'authority' } = options;
  const key = parsePrivateKey(options.keyPem, `${where}: key`);
  const [certificate, ...chain] = parseCertificates(options.certificatePem, `${where}: certificate`);
  if (!certificate) throw new FedrotError('file_invalid', `${where}: there is no certificate`);
  keyType(certificate.publicKey, `${where}: certificate`);
  if (!spki(createPublicKey(key)).equals(spki(certificate.publicKey)))
    throw new FedrotError('file_invalid', `${where}: the key does not belong to the first certificate`);
  const root =
    options.rootPem === undefined
      ? (chain.at(-1) ?? certificate)
      : parseCertificate(options.rootPem, `${where}: root`);
  const path = [certificate, ...chain].filter(({ fingerprint256 }) => fingerprint256 !== root.fingerprint256);
  try {
    if (!certificate.ca)
      throw new FedrotError('unauthenticated', 'the first certificate is not one of an authority (CA:TRUE)');
    checkPath([...path, root], options.nowMs);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new FedrotError('file_invalid', `${where}: ${why}`, { cause });
  }
  return { certificate, key, intermediates: path, root };
}

/** The key identifier that certificates of this authority refer to, hex; undefined where its certificate states none. */
export function authorityKeyId(authority: Authority): string | undefined {
  return certificateContents(authority.certificate.raw).keyIdentifier;
}
