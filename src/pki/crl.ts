import { authorityKeyId, type Authority } from './authority.js';
import { subjectName } from './certificate.js';
import { toWebCrypto } from './keys.js';
import type { Revocation } from './revocation.js';
import { x509 } from './x509.js';

const CRL_NUMBER = '2.5.29.20';

/** DER of a non-negative INTEGER below 2^53. */
function derInteger(value: number): Buffer {
  const digits = value.toString(16);
  const bytes = Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, 'hex');
  const positive = (bytes[0] ?? 0) < 0x80 ? bytes : Buffer.concat([Buffer.of(0), bytes]);
  return Buffer.concat([Buffer.of(0x02, positive.length), positive]);
}

/**
 * The revoked certificates as an X.509 CRL (RFC 5280, 5) in PEM, for proxies and tools of others. fedrot itself looks at its
 * own list, which also knows names: pass the serials that were issued to revoked parties too.
 */
export async function createCrl(
  authority: Authority,
  revoked: Readonly<Record<string, Revocation>>,
  times: { readonly nowMs: number; readonly nextMs: number },
): Promise<string> {
  const { keys, algorithm } = await toWebCrypto(authority.key);
  const keyIdentifier = authorityKeyId(authority);
  const crl = await x509.X509CrlGenerator.create({
    issuer: subjectName(authority.certificate),
    thisUpdate: new Date(times.nowMs),
    nextUpdate: new Date(times.nextMs),
    signingAlgorithm: algorithm,
    signingKey: keys.privateKey,
    entries: Object.entries(revoked).map(([serialNumber, { atMs }]) => ({
      serialNumber,
      revocationDate: new Date(atMs),
    })),
    extensions: [
      // Time as the number: it only has to grow.
      new x509.Extension(CRL_NUMBER, false, derInteger(times.nowMs)),
      ...(keyIdentifier === undefined ? [] : [new x509.AuthorityKeyIdentifierExtension(keyIdentifier)]),
    ],
  });
  // The library's own label is CRL; RFC 7468, section 6, and OpenSSL say X509 CRL.
  return `${x509.PemConverter.encode(crl.rawData, 'X509 CRL').trimEnd()}\n`;
}
