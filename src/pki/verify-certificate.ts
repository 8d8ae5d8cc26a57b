import type { X509Certificate } from 'node:crypto';
import { FedrotError } from '../errors.js';
import { certificateContents, certificateFacts, type CertificateFacts } from './certificate.js';
import { USAGES, type Usage } from './profile.js';

/**
 * Path validation (RFC 5280, 6.1) for certificates that do not come through a TLS handshake, where OpenSSL does it:
 * signed requests behind a load balancer, signers of bundles and evidence, an authority that was brought. Stricter than
 * the RFC: every critical extension must be one of the four that are looked at here, names are not constrained, and
 * policies are not used.
 */

const KNOWN_CRITICAL: ReadonlySet<string> = new Set(['2.5.29.15', '2.5.29.17', '2.5.29.19', '2.5.29.37']);

/** Certificates from leaf to root. */
const MAX_PATH = 6;

function refuse(message: string): FedrotError {
  return new FedrotError('unauthenticated', message);
}

function subjectOf(certificate: X509Certificate): string {
  return certificate.subject.replaceAll('\n', ', ').slice(0, 120);
}

function checkDates(certificate: X509Certificate, nowMs: number): void {
  const from = Date.parse(certificate.validFrom);
  const to = Date.parse(certificate.validTo);
  const now = new Date(nowMs).toISOString();
  if (nowMs < from)
    throw refuse(
      `the certificate of ${subjectOf(certificate)} is not valid before ${new Date(from).toISOString()}; it is ${now} here: check the clocks`,
    );
  if (nowMs > to)
    throw refuse(
      `the certificate of ${subjectOf(certificate)} expired at ${new Date(to).toISOString()}; it is ${now} here: enrol again`,
    );
}

function checkExtensions(certificate: X509Certificate): void {
  const unknown = certificateContents(certificate.raw).critical.find((type) => !KNOWN_CRITICAL.has(type));
  if (unknown !== undefined)
    throw refuse(
      `the certificate of ${subjectOf(certificate)} has the critical extension ${unknown}, which is not known here`,
    );
}

/** `checkIssued` compares names, key identifiers and the issuer's key usage (OpenSSL's X509_check_issued); `verify` the signature. */
function issued(issuer: X509Certificate, subject: X509Certificate): boolean {
  return issuer.ca && subject.checkIssued(issuer) && subject.verify(issuer.publicKey);
}

/**
 * Checks a path that begins with the certificate in question and ends with the root that is trusted. The root's own
 * signature is not looked at (RFC 5280, 6.1: a trust anchor is trusted as it is). Throws unauthenticated.
 */
export function checkPath(path: readonly X509Certificate[], nowMs: number): void {
  path.forEach((certificate, depth) => {
    checkDates(certificate, nowMs);
    checkExtensions(certificate);
    const issuer = path[depth + 1];
    if (issuer && !issued(issuer, certificate))
      throw refuse(
        `the certificate of ${subjectOf(certificate)} was not issued by ${subjectOf(issuer)}: wrong authority, or not signed by it`,
      );
    const limit = depth > 0 ? certificateContents(certificate.raw).pathLength : undefined;
    if (limit !== undefined && depth - 1 > limit)
      throw refuse(
        `the authority ${subjectOf(certificate)} allows ${limit} authorities below it; there are ${depth - 1}`,
      );
  });
}

export interface VerifyOptions {
  /** What is trusted. */
  readonly roots: readonly X509Certificate[];
  /** Certificates that may stand between; order and surplus do not matter. */
  readonly intermediates?: readonly X509Certificate[];
  readonly nowMs: number;
  /** What the certificate must be good for. */
  readonly usage: Usage;
}

/**
 * Verifies a certificate down from a trusted root: signatures, dates, authority flags and path lengths, usage, and that it
 * names one fedrot identity. Throws unauthenticated. Revocation is the caller's part (revocation.ts).
 */
export function verifyCertificate(leaf: X509Certificate, options: VerifyOptions): CertificateFacts {
  checkPath(buildPath(leaf, options), options.nowMs);
  const facts = certificateFacts(leaf.raw);
  if (leaf.ca) throw refuse('the certificate is an authority’s own; it cannot stand for a party');
  requireUsage(facts, options.usage);
  return facts;
}

/** Throws unauthenticated unless the certificate was issued for this use. */
export function requireUsage(facts: CertificateFacts, usage: Usage): void {
  if (!facts.usages.includes(usage))
    throw refuse(
      `the certificate of ${facts.identity.kind} ${facts.identity.name} is not for ${USAGES[usage].label}`,
    );
}

function buildPath(leaf: X509Certificate, { roots, intermediates = [] }: VerifyOptions): X509Certificate[] {
  const path = [leaf];
  let last = leaf;
  while (path.length < MAX_PATH) {
    const subject = last;
    const root = roots.find((candidate) => issued(candidate, subject));
    if (root) return [...path, root];
    const next = intermediates.find((candidate) => !path.includes(candidate) && issued(candidate, subject));
    if (!next) break;
    path.push(next);
    last = next;
  }
  throw refuse(
    `the certificate of ${subjectOf(leaf)} does not come from an authority that is trusted here (its issuer is ${last.issuer.replaceAll('\n', ', ').slice(0, 120)})`,
  );
}
