import type { KeyObject } from 'node:crypto';
import { z } from 'zod';
import { FedrotError } from '../errors.js';
import { describeIssues } from '../read-config.js';
import { SHA256 } from '../name.js';
import { sha256Hex } from '../sha256.js';
import { canonicalJson, parseCanonical } from './canonical-json.js';
import { signatureSchema, signDigest, type Signature } from './signature.js';

const ROUND_MANIFEST_FORMAT = 'fedrot-round-manifest/1';

const sha256 = z.string().regex(SHA256, 'must be a SHA-256 in hex');
const count = z.int().min(0);
const silo = z.string().min(1).max(63);
const adapter = z.strictObject({ version: count, sha256 });

/** What is kept of a round as evidence: enough to recompute its adapter from the updates, and to see who took part. */
const roundManifestSchema = z.strictObject({
  format: z.literal(ROUND_MANIFEST_FORMAT),
  /** SHA-256 of the file of the round before; null for round 1. */
  previous: sha256.nullable(),
  run: z.string().min(1).max(63),
  round: z.int().min(1),
  /** Unix epoch, ms. */
  startedMs: count,
  publishedMs: count,
  /** SHA-256 of the run's specification in canonical JSON, and of the bundle's manifest.json. */
  spec: sha256,
  bundle: sha256,
  /** Who was asked to train, in order of name, with the serial of the certificate that answered; null without TLS. */
  asked: z.array(z.strictObject({ silo, certificate: z.string().max(40).nullable() })),
  /** Updates that count, in the order in which they were combined. */
  updates: z.array(
    z.strictObject({
      silo,
      sha256,
      bytes: count,
      examples: count,
      /** p_i before normalisation. */
      weight: z.number().min(0),
      /** Where it began from an older version than the reference: which one, and how much of its step was taken. */
      stale: adapter.extend({ scale: z.number().min(0).max(1) }).optional(),
    }),
  ),
  /** Silos that were asked and do not count, and why (code of src/errors.ts). */
  failures: z.array(z.strictObject({ silo, code: z.string().max(64) })),
  aggregation: z.strictObject({
    method: z.string().min(1),
    /** As they were given to the method. */
    options: z.record(z.string(), z.unknown()),
    weighting: z.string(),
    seed: count,
    /** As the specification has them; absent where it has none. */
    serverOptimizer: z.record(z.string(), z.unknown()).optional(),
    robust: z.record(z.string(), z.unknown()).optional(),
  }),
  /** The adapter that the silos began with and, where there is one, the state that the aggregation went on from. */
  reference: adapter.extend({ state: sha256.optional() }),
  /** What was published: the adapter, what silos merge into their base, the state for the next round. */
  result: adapter.extend({ state: sha256.optional(), merge: sha256.optional() }),
  /** Where no updates were combined but an operator published an old version again: which one, and why. */
  rollback: z.strictObject({ version: count, reason: z.string().max(500) }).optional(),
  /** With what it was computed: the same again gives the same bits. */
  software: z.strictObject({
    fedrot: z.string(),
    node: z.string(),
    platform: z.string(),
    arch: z.string(),
    /** The aggregation kernel that was used. */
    kernel: z.string(),
  }),
  /** Newest entry of the coordinator's audit log: what came before it cannot be changed any more. */
  audit: z.strictObject({ seq: count, hash: sha256 }).nullable(),
});

export type RoundManifest = Readonly<z.output<typeof roundManifestSchema>>;

const signedSchema = z.strictObject({ manifest: roundManifestSchema, signature: signatureSchema });

/** A round's file: canonical JSON of { manifest, signature }. Its SHA-256 is what the next one calls `previous`. */
export interface SignedRoundManifest {
  readonly manifest: RoundManifest;
  readonly signature: Signature;
  readonly text: string;
  /** Of `text`, hex: `sha256sum` of the file. */
  readonly sha256: string;
}

/** SHA-256 of the manifest alone, which is what is signed. */
export function manifestDigest(manifest: RoundManifest): string {
  return sha256Hex(canonicalJson(manifest));
}

/** Signs a round's manifest. Throws manifest_invalid where a field is missing, too many, or out of range. */
export function sealRound(
  body: Omit<RoundManifest, 'format' | 'previous'>,
  previous: Pick<SignedRoundManifest, 'sha256'> | null,
  key: KeyObject,
): SignedRoundManifest {
  const checked = roundManifestSchema.safeParse({
    format: ROUND_MANIFEST_FORMAT,
    previous: previous?.sha256 ?? null,
    ...body,
  });
  if (!checked.success)
    throw new FedrotError('manifest_invalid', `round manifest: ${describeIssues(checked.error)}`);
  const manifest = checked.data;
  const signature = signDigest('round', manifestDigest(manifest), key);
  const text = canonicalJson({ manifest, signature });
  return { manifest, signature, text, sha256: sha256Hex(text) };
}

/** A round's file as it lies on disk. Throws file_invalid; says nothing of the signature (verify-chain.ts). */
export function parseSignedRound(text: string, where = 'round manifest'): SignedRoundManifest {
  const parsed = signedSchema.safeParse(parseCanonical(text, where));
  if (!parsed.success) throw new FedrotError('file_invalid', `${where}: ${describeIssues(parsed.error)}`);
  return { ...parsed.data, text, sha256: sha256Hex(text) };
}
