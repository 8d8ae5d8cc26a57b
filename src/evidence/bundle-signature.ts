import type { KeyObject } from 'node:crypto';
import { z } from 'zod';
import { SIGNATURE_FILE } from '../bundle-names.js';
import { FedrotError } from '../errors.js';
import { describeIssues } from '../read-config.js';
import { SHA256 } from '../name.js';
import { canonicalJson, parseCanonical } from './canonical-json.js';
import { signatureSchema, signDigest, verifyDigest, type Signature } from './signature.js';

const schema = z.strictObject({
  format: z.literal('fedrot-bundle/1'),
  /** SHA-256 of manifest.json, hex: the bundle's name. */
  bundle: z.string().regex(SHA256),
  signature: signatureSchema,
  /** The signer's certificate and the authorities above it, PEM; for readers that know only the root. */
  certificates: z.string().max(32_768),
});

export type BundleSignature = Readonly<z.output<typeof schema>>;

/** Signs a bundle by its name. `certificates`: the signer's chain in PEM. */
export function signBundle(bundle: string, key: KeyObject, certificates: string): string {
  const signature: Signature = signDigest('bundle', bundle, key);
  return canonicalJson({ format: 'fedrot-bundle/1', bundle, signature, certificates });
}

/** The file's content, not verified yet: its certificates say which key to trust, once they are verified. Throws file_invalid. */
export function parseBundleSignature(text: string, where = SIGNATURE_FILE): BundleSignature {
  const parsed = schema.safeParse(parseCanonical(text, where));
  if (!parsed.success) throw new FedrotError('file_invalid', `${where}: ${describeIssues(parsed.error)}`);
  return parsed.data;
}

/** Throws unauthenticated unless one of the trusted keys signed this very bundle. */
export function verifyBundle(bundle: string, signed: BundleSignature, keys: readonly KeyObject[]): KeyObject {
  if (signed.bundle !== bundle)
    throw new FedrotError(
      'unauthenticated',
      `the signature is for bundle ${signed.bundle.slice(0, 16)}…, not for ${bundle.slice(0, 16)}…`,
    );
  return verifyDigest('bundle', bundle, signed.signature, keys);
}
