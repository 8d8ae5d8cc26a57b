import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  webcrypto,
  type KeyObject,
} from 'node:crypto';
import { FedrotError } from '../errors.js';
import { sha256Hex } from '../sha256.js';

/**
 * Keys. fedrot makes ECDSA keys on P-256 (docs/decisions/0008-certificates.md) and takes what an organisation's own
 * authority brings: ECDSA on P-256, P-384 or P-521, RSA of at least 2048 bits, Ed25519.
 */

interface KeyType {
  /** As people call it. */
  readonly label: string;
  /** What WebCrypto imports the key as, and signs certificates with. */
  readonly web: Readonly<{ name: string; namedCurve?: string; hash?: string }>;
}

const KEY_TYPES: Readonly<Record<string, KeyType>> = {
  'ec prime256v1': {
    label: 'ECDSA P-256',
    web: { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  },
  'ec secp384r1': {
    label: 'ECDSA P-384',
    web: { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' },
  },
  'ec secp521r1': {
    label: 'ECDSA P-521',
    web: { name: 'ECDSA', namedCurve: 'P-521', hash: 'SHA-512' },
  },
  rsa: { label: 'RSA', web: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' } },
  ed25519: { label: 'Ed25519', web: { name: 'Ed25519' } },
};

const MIN_RSA_BITS = 2048;

/** A key's row of the table. `where` begins the message. Throws file_invalid for a kind or size that is not taken. */
export function keyType(key: KeyObject, where = 'key'): KeyType {
  const { asymmetricKeyType: kind = key.type, asymmetricKeyDetails: details } = key;
  const curve = details?.namedCurve;
  const type = KEY_TYPES[curve === undefined ? kind : `${kind} ${curve}`];
  if (!type)
    throw new FedrotError(
      'file_invalid',
      `${where}: ${curve ?? kind} is not taken; use ECDSA P-256 (or P-384, P-521), RSA of at least ${MIN_RSA_BITS} bits, or Ed25519`,
    );
  const bits = details?.modulusLength;
  if (kind === 'rsa' && (bits === undefined || bits < MIN_RSA_BITS))
    throw new FedrotError(
      'file_invalid',
      `${where}: RSA of ${bits ?? 'unknown'} bits; at least ${MIN_RSA_BITS} are needed`,
    );
  return type;
}

/** A new private key, ECDSA P-256. */
export function generateKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
}

/** A new private key for evidence, Ed25519: signatures are deterministic (RFC 8032), so signing twice gives the same file. */
export function generateSigningKey(): KeyObject {
  return generateKeyPairSync('ed25519').privateKey;
}

/** PKCS #8 in PEM, not encrypted. */
export function privateKeyPem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** Throws file_invalid where the text is no private key, is encrypted, or is of a kind that is not taken. */
export function parsePrivateKey(pem: string | Uint8Array, where = 'private key'): KeyObject {
  let key: KeyObject;
  const text = typeof pem === 'string' ? pem : Buffer.from(pem).toString('latin1');
  try {
    key = createPrivateKey(text);
  } catch (cause) {
    const why = text.includes('ENCRYPTED')
      ? 'the key is encrypted; fedrot needs it without passphrase, in a file that only its user can read'
      : 'this is no private key in PEM';
    throw new FedrotError('file_invalid', `${where}: ${why}`, { cause });
  }
  keyType(key, where);
  return key;
}

/** SubjectPublicKeyInfo in DER, of a private or public key. */
export function spki(key: KeyObject): Buffer {
  return (key.type === 'private' ? createPublicKey(key) : key).export({ type: 'spki', format: 'der' });
}

/** Names a key: SHA-256 of its SubjectPublicKeyInfo, hex. */
export function keyId(key: KeyObject): string {
  return sha256Hex(spki(key));
}

/** Throws file_invalid where the text is no public key in DER (SubjectPublicKeyInfo) or of a kind that is not taken. */
export function parsePublicKey(der: Uint8Array, where = 'public key'): KeyObject {
  let key: KeyObject;
  try {
    key = createPublicKey({ key: Buffer.from(der), format: 'der', type: 'spki' });
  } catch (cause) {
    throw new FedrotError('file_invalid', `${where}: this is no public key`, { cause });
  }
  keyType(key, where);
  return key;
}

/** The key for the X.509 library, which speaks WebCrypto. The algorithm also says how to sign. */
export async function toWebCrypto(
  privateKey: KeyObject,
): Promise<{ keys: webcrypto.CryptoKeyPair; algorithm: KeyType['web'] }> {
  const algorithm = keyType(privateKey).web;
  const der = privateKey.export({ type: 'pkcs8', format: 'der' });
  return {
    algorithm,
    keys: {
      privateKey: await webcrypto.subtle.importKey('pkcs8', der, algorithm, false, ['sign']),
      publicKey: await webcrypto.subtle.importKey('spki', spki(privateKey), algorithm, true, ['verify']),
    },
  };
}
