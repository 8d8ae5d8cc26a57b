import type { KeyObject, X509Certificate } from 'node:crypto';
import { verifyLog, type LogHead, type LogVerdict } from '../../evidence/log-entry.js';
import { parseSignedRound } from '../../evidence/round-manifest.js';
import { verifyChain, type ChainVerdict, type ExpectedChain } from '../../evidence/verify-chain.js';
import { asFedrotError, FedrotError } from '../../errors.js';
import { certificateFacts, parseCertificates } from '../../pki/certificate.js';
import { verifyCertificate } from '../../pki/verify-certificate.js';

/**
 * The keys of the signers that the authority vouches for: every certificate for document signing in the text that leads to
 * the root at the time of `nowMs`. Throws unauthenticated where there is none.
 */
export function signerKeys(
  signersPem: string,
  roots: readonly X509Certificate[],
  nowMs: number,
): KeyObject[] {
  const certificates = parseCertificates(signersPem, 'signers');
  const keys: KeyObject[] = [];
  let problem: FedrotError | undefined;
  for (const certificate of certificates) {
    if (certificate.ca) continue;
    try {
      verifyCertificate(certificate, { roots, intermediates: certificates, nowMs, usage: 'document' });
      if (certificateFacts(certificate.raw).identity.kind === 'signer') keys.push(certificate.publicKey);
    } catch (thrown) {
      problem = asFedrotError(thrown);
    }
  }
  if (keys.length === 0)
    throw new FedrotError(
      'unauthenticated',
      `no signer is vouched for: ${problem?.message ?? 'there is none'}`,
    );
  return keys;
}

export interface RunVerdict {
  readonly run: string;
  readonly chain: ChainVerdict;
  /** What the manifests say of the audit log. */
  readonly anchors: readonly LogHead[];
}

export function verifyRun(
  texts: readonly string[],
  keys: readonly KeyObject[],
  expected: ExpectedChain & { readonly run: string },
): RunVerdict {
  const chain = verifyChain(texts, keys, expected);
  const anchors = chain.ok
    ? texts.flatMap((text) => {
        const { audit } = parseSignedRound(text).manifest;
        return audit === null || audit.seq === 0 ? [] : [audit];
      })
    : [];
  return { run: expected.run, chain, anchors };
}

/** The log, with everything that signed manifests say of it. */
export function verifyAudit(text: string, verdicts: readonly RunVerdict[]): LogVerdict {
  // A last line without its end is being written.
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  return verifyLog(
    whole,
    verdicts.flatMap(({ anchors }) => anchors),
    'audit log',
  );
}
