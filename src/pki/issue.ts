import { isIP } from 'node:net';
import type { KeyObject, X509Certificate } from 'node:crypto';
import { FedrotError } from '../errors.js';
import { authorityKeyId, type Authority } from './authority.js';
import {
  certificateFacts,
  parseCertificate,
  subjectName,
  toPem,
  type CertificateFacts,
} from './certificate.js';
import { identityUri, type Identity } from './identity.js';
import { keyType, spki, toWebCrypto } from './keys.js';
import { CLOCK_SKEW_MS, DAY_MS, PROFILES, USAGES } from './profile.js';
import { newSerial } from './serial.js';
import { x509 } from './x509.js';

export interface IssueRequest {
  readonly publicKey: KeyObject;
  readonly identity: Identity;
  /** Host names and IP addresses; only for coordinators, and they need at least one. */
  readonly hosts?: readonly string[];
  /** Default: the profile's. Cut where the authority's own certificate ends. */
  readonly validityDays?: number;
  readonly nowMs: number;
}

export interface IssuedCertificate extends CertificateFacts {
  readonly certificate: X509Certificate;
  /** The certificate, then the authorities between it and the root: what a TLS server or client presents. */
  readonly chainPem: string;
}

const HOST_NAME =
  /^(?=.{1,253}$)(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i;

/** Throws option_invalid for what is neither a host name nor an IP address. */
function alternativeName(host: string): { type: 'dns' | 'ip'; value: string } {
  if (isIP(host) !== 0) return { type: 'ip', value: host };
  if (HOST_NAME.test(host)) return { type: 'dns', value: host.toLowerCase() };
  throw new FedrotError(
    'option_invalid',
    `${JSON.stringify(host.slice(0, 80))} is neither a host name nor an IP address`,
  );
}

/**
 * A certificate by the profile of its kind (profile.ts). It begins 10 minutes ago, for clocks that are behind. The
 * subject's common name is the party's name, for people; what counts is the URI. Throws option_invalid, or
 * precondition_failed where the authority's own certificate has ended.
 */
export async function issueCertificate(
  authority: Authority,
  request: IssueRequest,
): Promise<IssuedCertificate> {
  const { identity, hosts = [], nowMs } = request;
  const profile = PROFILES[identity.kind];
  if (profile.hosts !== hosts.length > 0)
    throw new FedrotError(
      'option_invalid',
      `a certificate for a ${identity.kind} ${profile.hosts ? 'needs at least one host name' : 'takes no host names'}`,
    );
  keyType(request.publicKey, `public key of ${identity.kind} ${identity.name}`);
  const end = Date.parse(authority.certificate.validTo);
  if (end <= nowMs)
    throw new FedrotError(
      'precondition_failed',
      `the authority's own certificate ended at ${new Date(end).toISOString()}; it cannot issue certificates any more`,
    );
  const { keys, algorithm } = await toWebCrypto(authority.key);
  const keyIdentifier = authorityKeyId(authority);
  const created = await x509.X509CertificateGenerator.create({
    serialNumber: newSerial(),
    subject: [{ CN: [identity.name] }],
    issuer: subjectName(authority.certificate),
    notBefore: new Date(nowMs - CLOCK_SKEW_MS),
    notAfter: new Date(Math.min(nowMs + (request.validityDays ?? profile.validityDays) * DAY_MS, end)),
    publicKey: spki(request.publicKey),
    signingKey: keys.privateKey,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([USAGES[profile.usage].oid]),
      new x509.SubjectAlternativeNameExtension([
        { type: 'url', value: identityUri(identity) },
        ...hosts.map(alternativeName),
      ]),
      await x509.SubjectKeyIdentifierExtension.create(spki(request.publicKey)),
      ...(keyIdentifier === undefined ? [] : [new x509.AuthorityKeyIdentifierExtension(keyIdentifier)]),
    ],
  });
  const certificate = parseCertificate(created.toString('pem'));
  return {
    ...certificateFacts(certificate.raw),
    certificate,
    chainPem: toPem([certificate, ...authority.intermediates]),
  };
}
