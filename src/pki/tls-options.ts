import type { SecureContextOptions } from 'node:tls';
import { toPem } from './certificate.js';
import type { Credential } from './credential.js';
import { privateKeyPem } from './keys.js';

export type TlsVersion = 'TLSv1.2' | 'TLSv1.3';

/** The suites of TLS 1.2 where it is allowed: forward secrecy and AEAD only (RFC 9325, 4.2). TLS 1.3 has no weak ones. */
const TLS12_SUITES = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
];
const TLS13_SUITES = ['TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256', 'TLS_AES_128_GCM_SHA256'];

/**
 * TLS of one side of a connection, for node:tls, node:http2 and grpc-js. TLS 1.3 unless 1.2 is asked for. Without roots
 * those count that Node knows. A server adds
 * requestCert: true, and rejectUnauthorized: false only where Enrol is served on the same port: then every other call has
 * to be refused where the socket is not authorized.
 */
export function tlsOptions(
  credential: Partial<Pick<Credential, 'key' | 'certificates' | 'roots'>>,
  minVersion: TlsVersion = 'TLSv1.3',
): SecureContextOptions & { minVersion: TlsVersion; maxVersion: TlsVersion; ciphers: string } {
  return {
    ...(credential.key && { key: privateKeyPem(credential.key) }),
    ...(credential.certificates && { cert: toPem(credential.certificates) }),
    ...(credential.roots && { ca: credential.roots.map((root) => root.toString()) }),
    minVersion,
    maxVersion: 'TLSv1.3',
    ciphers: [...TLS13_SUITES, ...(minVersion === 'TLSv1.2' ? TLS12_SUITES : [])].join(':'),
    honorCipherOrder: true,
  };
}
