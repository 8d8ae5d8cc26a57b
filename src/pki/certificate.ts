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

/** What fedrot reads in a certificate beyond what Node's own reader says. */
interface Contents {
  readonly serial: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** URIs among the alternative names. */
  readonly uris: readonly string[];
  /** Object identifiers of the extended key usage. */
  readonly usages: readonly string[];
  /** Object identifiers of critical extensions. */
  readonly critical: readonly string[];
  /** How many authorities may stand between this one and a leaf; undefined where it does not say. */
  readonly pathLength: number | undefined;
  /** Subject key identifier, hex. */
  readonly keyIdentifier: string | undefined;
}

/** Reading takes milliseconds, and the same certificates come with every call: the last ones are remembered by hash. */
const MAX_REMEMBERED = 4096;
const remembered = new Map<string, Contents>();

/** Throws unauthenticated where the certificate cannot be read. */
export function certificateContents(der: Uint8Array): Contents {
  const sha256 = fingerprint(der);
  const known = remembered.get(sha256);
  if (known) return known;
  let contents: Contents;
  try {
    contents = readContents(der);
  } catch (cause) {
    throw new FedrotError('unauthenticated', 'the certificate cannot be read', { cause });
  }
  const [oldest] = remembered.keys();
  if (oldest !== undefined && remembered.size >= MAX_REMEMBERED) remembered.delete(oldest);
  remembered.set(sha256, contents);
  return contents;
}

function readContents(der: Uint8Array): Contents {
  const certificate = new x509.X509Certificate(Buffer.from(der));
  return {
    serial: normaliseSerial(certificate.serialNumber),
    notBeforeMs: certificate.notBefore.getTime(),
    notAfterMs: certificate.notAfter.getTime(),
    uris: certificate
      .getExtensions(x509.SubjectAlternativeNameExtension)
      .flatMap((extension) => extension.names.items)
      .flatMap(({ type, value }) => (type === 'url' ? [value] : [])),
    usages: [...(certificate.getExtension(x509.ExtendedKeyUsageExtension)?.usages ?? [])].map(String),
    critical: certificate.extensions.flatMap(({ critical, type }) => (critical ? [type] : [])),
    pathLength: certificate.getExtension(x509.BasicConstraintsExtension)?.pathLength,
    keyIdentifier: certificate.getExtension(x509.SubjectKeyIdentifierExtension)?.keyId,
  };
}

/** The subject's name with its encoding, so that issued certificates repeat it to the byte. */
export function subjectName(certificate: X509Certificate): InstanceType<typeof x509.Name> {
  return new x509.X509Certificate(certificate.raw).subjectName;
}

/**
 * The facts of a certificate in DER (a TLS peer's `raw`). Throws unauthenticated where it cannot be read or does not
 * name exactly one fedrot identity.
 */
export function certificateFacts(der: Uint8Array): CertificateFacts {
  const { uris, usages, serial, notBeforeMs, notAfterMs } = certificateContents(der);
  return {
    identity: identityIn(uris),
    serial,
    sha256: fingerprint(der),
    usages: (Object.keys(USAGES) as Usage[]).filter((usage) => usages.includes(USAGES[usage].oid)),
    notBeforeMs,
    notAfterMs,
  };
}

function identityIn(uris: readonly string[]): Identity {
  const [uri, ...others] = uris.filter((candidate) => candidate.startsWith(IDENTITY_SCHEME));
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
