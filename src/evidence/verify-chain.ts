import type { KeyObject } from 'node:crypto';
import { asFedrotError, FedrotError, type ErrorCode } from '../errors.js';
import {
  manifestDigest,
  parseSignedRound,
  type RoundManifest,
  type SignedRoundManifest,
} from './round-manifest.js';
import { verifyDigest } from './signature.js';

/** One link that does not hold. */
export interface BrokenLink {
  /** Which text, from 0. */
  readonly index: number;
  /** The round that should stand there. */
  readonly round: number;
  readonly code: ErrorCode;
  /** What is wrong, for people. */
  readonly message: string;
}

export type ChainVerdict =
  | {
      readonly ok: true;
      readonly rounds: number;
      /** SHA-256 of the newest file; null for an empty chain. */ readonly head: string | null;
    }
  | { readonly ok: false; readonly broken: BrokenLink };

/** What the chain is held against, where it is known from elsewhere: a chain alone cannot tell that its end is missing. */
export interface ExpectedChain {
  readonly run?: string;
  readonly rounds?: number;
  readonly head?: string;
}

/**
 * Verifies the files of a run's rounds, in order from round 1: canonical form, signature by one of the trusted keys, hash of
 * the one before, round numbers without gaps, one run with one specification, and that every round began with an adapter
 * that the chain published (or version 0), old updates with an older one of them. Names the first link that does not hold.
 */
export function verifyChain(
  texts: readonly string[],
  keys: readonly KeyObject[],
  expected: ExpectedChain = {},
): ChainVerdict {
  let before: SignedRoundManifest | null = null;
  const published = new Map<number, Published>();
  for (const [index, text] of texts.entries()) {
    try {
      const link = parseSignedRound(text, `round ${index + 1}`);
      verifyDigest('round', manifestDigest(link.manifest), link.signature, keys);
      checkOrder(link.manifest, before, expected);
      checkAdapters(link.manifest, published);
      before = link;
    } catch (thrown) {
      const { code, message } = asFedrotError(thrown);
      return { ok: false, broken: { index, round: index + 1, code, message } };
    }
  }
  return checkEnd(texts.length, before?.sha256 ?? null, expected);
}

function broken(message: string): FedrotError {
  return new FedrotError('checksum_mismatch', message);
}

function checkOrder(
  manifest: RoundManifest,
  before: SignedRoundManifest | null,
  expected: ExpectedChain,
): void {
  const round = (before?.manifest.round ?? 0) + 1;
  if (manifest.round !== round)
    throw broken(`round ${round} is expected here; this is the manifest of round ${manifest.round}`);
  const run = before?.manifest.run ?? expected.run ?? manifest.run;
  if (manifest.run !== run) throw broken(`this is the manifest of run ${manifest.run}, not of ${run}`);
  if (manifest.previous !== (before?.sha256 ?? null))
    throw broken(
      before === null
        ? 'round 1 must not name a round before it'
        : `it names ${manifest.previous ?? 'nothing'} as the round before, whose file has SHA-256 ${before.sha256}`,
    );
  for (const field of ['spec', 'bundle'] as const)
    if (before && before.manifest[field] !== manifest[field])
      throw broken(`its ${field} differs from that of the round before`);
}

/** A version as the chain has it so far. */
interface Published {
  readonly sha256: string;
  readonly state?: string | undefined;
}

function checkAdapters(
  { reference, result, rollback, updates }: RoundManifest,
  published: Map<number, Published>,
): void {
  const known = published.get(reference.version);
  if (known === undefined && reference.version !== 0)
    throw broken(`it began with version ${reference.version}, which no round before published`);
  if (known !== undefined && known.sha256 !== reference.sha256)
    throw broken(
      `it began with version ${reference.version} as ${reference.sha256}; published was ${known.sha256}`,
    );
  if (known?.state !== reference.state)
    throw broken(
      `it went on from state ${reference.state ?? 'none'} of version ${reference.version}; published was ${known?.state ?? 'none'}`,
    );
  if (published.has(result.version) || result.version === 0)
    throw broken(`it publishes version ${result.version}, which was there before`);
  if (rollback !== undefined) checkRollback(rollback.version, result.sha256, updates.length, published);
  for (const update of updates) checkStale(update, reference.version, published);
  published.set(reference.version, reference);
  published.set(result.version, result);
}

/** An update that did not begin from the reference began from a version that was published before it. */
function checkStale(
  { silo, stale }: RoundManifest['updates'][number],
  reference: number,
  published: ReadonlyMap<number, Published>,
): void {
  if (stale === undefined) return;
  const known = published.get(stale.version);
  if (known === undefined || stale.version >= reference)
    throw broken(`the update of ${silo} began with version ${stale.version}, which is not an older one`);
  if (known.sha256 !== stale.sha256)
    throw broken(
      `the update of ${silo} began with version ${stale.version} as ${stale.sha256}; published was ${known.sha256}`,
    );
}

function checkRollback(
  version: number,
  sha256: string,
  updates: number,
  published: ReadonlyMap<number, Published>,
): void {
  const known = published.get(version);
  if (known === undefined)
    throw broken(`it goes back to version ${version}, which no round before published`);
  if (known.sha256 !== sha256)
    throw broken(
      `it goes back to version ${version} but publishes ${sha256}; that version is ${known.sha256}`,
    );
  if (updates > 0) throw broken('it goes back to an old version and yet counts updates');
}

function checkEnd(rounds: number, head: string | null, expected: ExpectedChain): ChainVerdict {
  const end = (code: ErrorCode, message: string): ChainVerdict => ({
    ok: false,
    broken: { index: rounds, round: rounds + 1, code, message },
  });
  if (expected.rounds !== undefined && expected.rounds !== rounds)
    return end('not_found', `the chain ends after round ${rounds}; there were ${expected.rounds}`);
  if (expected.head !== undefined && expected.head !== head)
    return end(
      'checksum_mismatch',
      `the newest file has SHA-256 ${head ?? 'none'}; expected ${expected.head}`,
    );
  return { ok: true, rounds, head };
}
