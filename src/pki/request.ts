import type { KeyObject } from 'node:crypto';
import { FedrotError } from '../errors.js';
import { checkName } from '../name.js';
import { parsePublicKey, toWebCrypto } from './keys.js';
import { x509 } from './x509.js';

/** A certificate request of fedrot is under 1 KiB; one with an RSA key of 8192 bits under 4 KiB. */
const MAX_REQUEST_BYTES = 8192;

/**
 * A certificate request (PKCS #10, RFC 2986) in PEM, signed with the party's own key, which stays where it is. The name is
 * a hint for people: who gets the certificate follows from the token or from the certificate that is renewed.
 */
export async function createRequest(key: KeyObject, name: string): Promise<string> {
  const { keys, algorithm } = await toWebCrypto(key);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: [{ CN: [checkName(name)] }],
    keys,
    signingAlgorithm: algorithm,
  });
  return `${request.toString('pem').trimEnd()}\n`;
}

/**
 * The public key of a request, once the request's signature proves that the sender has the private key. Names and
 * extensions in it are not looked at: nobody chooses his own identity. Throws option_invalid.
 */
export async function verifyRequest(pem: string): Promise<KeyObject> {
  if (Buffer.byteLength(pem) > MAX_REQUEST_BYTES)
    throw new FedrotError(
      'option_invalid',
      `certificate request: ${Buffer.byteLength(pem)} bytes; at most ${MAX_REQUEST_BYTES} are taken`,
    );
  let key: KeyObject;
  let signed: boolean;
  try {
    const request = new x509.Pkcs10CertificateRequest(pem);
    key = parsePublicKey(new Uint8Array(request.publicKey.rawData), 'certificate request');
    signed = await request.verify();
  } catch (cause) {
    if (cause instanceof FedrotError) throw new FedrotError('option_invalid', cause.message, { cause });
    throw new FedrotError('option_invalid', 'certificate request: this is no PKCS #10 request in PEM', {
      cause,
    });
  }
  if (!signed)
    throw new FedrotError('option_invalid', 'certificate request: its signature does not fit its key');
  return key;
}
