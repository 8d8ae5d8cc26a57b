import { X509Certificate } from 'node:crypto';
import { FedrotError } from '../errors.js';
import { fingerprint } from './fingerprint.js';
import { IDENTITY_SCHEME, parseIdentityUri, type Identity } from './identity.js';
import { USAGES, type Usage } from './profile.js';
import { normaliseSerial } from './serial.js';
import { x509 } from './x509.js';

/** What fedrot reads in a certificate. Says nothing of whether to believe it: that is TLS's part, or verifyCertificate's. */
export interface CertificateFacts {
  readonly identity: Identity;
  /** Hex, lower case. */
  readonly serial: string;
  /** SHA-256 of the DER, hex. */
  readonly sha256: string;
  readonly usages: readonly Usage[];
  /** Unix epoch. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** The certificates of a PEM text, in order. Throws file_invalid where there is none or one cannot be read. */
export function parseCertificates(pem: string, where = 'certificate'): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0)
    throw new FedrotError('file_invalid', `${where}: there is no certificate in PEM in it`);
  return blocks.map((block, index) => {
    try {
      return new X509Certificate(block);
    } catch (cause) {
      throw new FedrotError('file_invalid', `${where}: certificate ${index + 1} cannot be read`, { cause });
    }
  });
}

/** The first certificate of a PEM text. */
export function parseCertificate(pem: string, where = 'certificate'): X509Certificate {
  const [first] = parseCertificates(pem, where);
  if (!first) throw new FedrotError('file_invalid', `${where}: there is no certificate in it`);
  return first;
}

/** PEM of certificates, one after the other. */
export function toPem(certificates: readonly X509Certificate[]): string {
  return certificates.map((certificate) => certificate.toString()).join('');
}

/** The library's view of a certificate. Throws unauthenticated where its DER cannot be read. */
export function readDer(der: Uint8Array): InstanceType<typeof x509.X509Certificate> {
  try {
    return new x509.X509Certificate(Buffer.from(der));
  } catch (cause) {
    throw new FedrotError('unauthenticated', 'the certificate cannot be read', { cause });
  }
}

/**
 * The facts of a certificate in DER (a TLS peer's `raw`). Throws unauthenticated where it cannot be read or does not
 * name exactly one fedrot identity.
 */
export function certificateFacts(der: Uint8Array): CertificateFacts {
  const certificate = readDer(der);
  try {
    return {
      identity: identityIn(certificate),
      serial: normaliseSerial(certificate.serialNumber),
      sha256: fingerprint(der),
      usages: usagesIn(certificate),
      notBeforeMs: certificate.notBefore.getTime(),
      notAfterMs: certificate.notAfter.getTime(),
    };
  } catch (cause) {
    // The library reads extensions when they are asked for.
    if (cause instanceof FedrotError) throw cause;
    throw new FedrotError('unauthenticated', 'the certificate cannot be read', { cause });
  }
}

function identityIn(certificate: InstanceType<typeof x509.X509Certificate>): Identity {
  const names = certificate
    .getExtensions(x509.SubjectAlternativeNameExtension)
    .flatMap((extension) => extension.names.items)
    .filter(({ type, value }) => type === 'url' && value.startsWith(IDENTITY_SCHEME));
  const [uri, ...others] = names.map(({ value }) => value);
  if (uri === undefined)
    throw new FedrotError(
      'unauthenticated',
      'the certificate names no fedrot identity (a URI fedrot:silo:NAME or the like among its alternative names); use one made by `fedrot enrol`',
    );
  const identity = others.length === 0 ? parseIdentityUri(uri) : undefined;
  if (!identity)
    throw new FedrotError(
      'unauthenticated',
      `the certificate's identity is not clear: ${[uri, ...others].join(', ').slice(0, 200)}`,
    );
  return identity;
}

function usagesIn(certificate: InstanceType<typeof x509.X509Certificate>): Usage[] {
  const oids = certificate.getExtension(x509.ExtendedKeyUsageExtension)?.usages ?? [];
  return (Object.keys(USAGES) as Usage[]).filter((usage) =>
    (oids as readonly string[]).includes(USAGES[usage].oid),
  );
}
