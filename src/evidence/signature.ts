import { createPublicKey, sign, verify, type KeyObject } from 'node:crypto';
import { z } from 'zod';
import { FedrotError } from '../errors.js';
import { SHA256 } from '../name.js';
import { sha256Hex } from '../sha256.js';

/** Signatures over a SHA-256, with Node's own cryptography. */
export const signatureSchema = z.strictObject({
  algorithm: z.enum(['ed25519', 'ecdsa-p256-sha256']),
  /** Whose: SHA-256 of the key's SubjectPublicKeyInfo, hex. */
  key: z.string().regex(SHA256),
  /** base64; ECDSA as DER. */
  value: z.base64().max(512),
});

export type Signature = Readonly<z.output<typeof signatureSchema>>;

/** What a signature is for is part of what is signed, so that one can never be taken for the other. */
const SIGNATURE_PURPOSES = {
  round: 'fedrot-round-manifest/1',
  bundle: 'fedrot-bundle/1',
} as const;
export type SignaturePurpose = keyof typeof SIGNATURE_PURPOSES;

interface Algorithm {
  readonly name: Signature['algorithm'];
  readonly digest: string | null;
}

function algorithmOf(key: KeyObject): Algorithm {
  const { asymmetricKeyType: type = key.type, asymmetricKeyDetails: details } = key;
  if (type === 'ed25519') return { name: 'ed25519', digest: null };
  if (type === 'ec' && details?.namedCurve === 'prime256v1')
    return { name: 'ecdsa-p256-sha256', digest: 'sha256' };
  throw new FedrotError('option_invalid', `evidence is signed with Ed25519 or ECDSA P-256, not with ${type}`);
}

function statement(purpose: SignaturePurpose, sha256: string): Buffer {
  if (!SHA256.test(sha256)) throw new FedrotError('option_invalid', 'what is signed is a SHA-256 in hex');
  return Buffer.from(`${SIGNATURE_PURPOSES[purpose]}\n${sha256}\n`);
}

/** Names a public key, or that of a private one. */
function signingKeyId(key: KeyObject): string {
  const der = (key.type === 'private' ? createPublicKey(key) : key).export({ type: 'spki', format: 'der' });
  return sha256Hex(der);
}

/** Signs a SHA-256 (hex) for a purpose. Ed25519 gives the same signature every time. */
export function signDigest(purpose: SignaturePurpose, sha256: string, key: KeyObject): Signature {
  const { name, digest } = algorithmOf(key);
  const value = sign(digest, statement(purpose, sha256), key).toString('base64');
  return { algorithm: name, key: signingKeyId(key), value };
}

/**
 * Which of the trusted public keys signed. Throws unauthenticated where none of them is the one that the signature names, or
 * where the signature is forged.
 */
export function verifyDigest(
  purpose: SignaturePurpose,
  sha256: string,
  signature: Signature,
  keys: readonly KeyObject[],
): KeyObject {
  const key = keys.find((candidate) => signingKeyId(candidate) === signature.key);
  if (!key)
    throw new FedrotError(
      'unauthenticated',
      `signed by key ${signature.key.slice(0, 16)}…, which is not among the ${keys.length} that are trusted`,
    );
  const { name, digest } = algorithmOf(key);
  const bytes = Buffer.from(signature.value, 'base64');
  const exact = bytes.toString('base64') === signature.value; // no second spelling of one signature
  if (name !== signature.algorithm || !exact || !verify(digest, statement(purpose, sha256), key, bytes))
    throw new FedrotError('unauthenticated', `the signature by key ${signature.key.slice(0, 16)}… is forged`);
  return key;
}
