import type { X509Certificate } from 'node:crypto';
import { SIGNATURE_FILE } from '../../bundle-names.js';
import { parseBundleSignature, signBundle, verifyBundle } from '../../evidence/bundle-signature.js';
import type { Credential } from '../../pki/credential.js';
import { parseCertificates, toPem } from '../../pki/certificate.js';
import { verifyCertificate } from '../../pki/verify-certificate.js';
import type { BundleFolder } from '../spool/bundle-folder.js';

export interface BundleSigning {
  readonly roots: readonly X509Certificate[];
  /** The coordinator's own signer. */
  readonly signer: Credential;
  /** Unix epoch, ms. */
  readonly now: () => number;
}

/** Throws file_invalid, unauthenticated unless a signer of this consortium signed the bundle. */
export function checkBundleSignature(bundle: string, text: string, { roots, now }: BundleSigning): string {
  const signed = parseBundleSignature(text);
  const [leaf, ...intermediates] = parseCertificates(signed.certificates, SIGNATURE_FILE);
  if (leaf === undefined) return '';
  const facts = verifyCertificate(leaf, { roots, intermediates, nowMs: now(), usage: 'document' });
  verifyBundle(bundle, signed, [leaf.publicKey]);
  return facts.identity.name;
}

/** A bundle that nobody signed before gets the coordinator's signature: so a silo never loads one without. */
export async function ensureSigned(
  bundles: BundleFolder,
  bundle: string,
  { signer }: BundleSigning,
): Promise<boolean> {
  if (await bundles.hasSignature(bundle)) return false;
  await bundles.writeSignature(bundle, signBundle(bundle, signer.key, toPem(signer.certificates)));
  return true;
}
