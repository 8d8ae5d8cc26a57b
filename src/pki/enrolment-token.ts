import { FedrotError } from '../errors.js';
import { checkName } from '../name.js';
import { describeIdentity, type Identity } from './identity.js';
import { hashToken, newToken, parseToken, tokenMatches } from './secret-token.js';

/** Begins every enrolment token, so that scanners for leaked secrets can know it. */
export const ENROLMENT_PREFIX = 'fedrot-enrol';

const DEFAULT_TOKEN_MS = 24 * 3_600_000;
export const MAX_TOKEN_MS = 30 * 86_400_000;

/** What is stored of an enrolment token; the token itself is not. */
export interface TokenRecord {
  /** Names the token in lists and logs: the first 12 digits of its hash. */
  readonly id: string;
  /** SHA-256 of the token, hex. */
  readonly sha256: string;
  /** Who the certificate will be for. */
  readonly identity: Identity;
  readonly createdBy: string;
  /** Unix epoch, all of them. */
  readonly createdMs: number;
  readonly expiresMs: number;
  readonly used?: {
    readonly atMs: number;
    /** The key that it was used for: SHA-256 of SubjectPublicKeyInfo, hex. */
    readonly keyId: string;
  };
  readonly revokedMs?: number;
}

export type TokenState = 'unused' | 'used' | 'expired' | 'revoked';

/** A new token and its record. The token is shown once. Throws option_invalid for a bad name or lifetime (1 s to 30 days; default 24 h). */
export function createEnrolmentToken(options: {
  readonly identity: Identity;
  readonly createdBy: string;
  readonly nowMs: number;
  readonly lifetimeMs?: number;
}): { token: string; record: TokenRecord } {
  const { identity, createdBy, nowMs, lifetimeMs = DEFAULT_TOKEN_MS } = options;
  checkName(identity.name, `${identity.kind} name`);
  if (!(lifetimeMs >= 1000 && lifetimeMs <= MAX_TOKEN_MS))
    throw new FedrotError(
      'option_invalid',
      `token lifetime ${lifetimeMs} ms: must be from 1 second to 30 days`,
    );
  const token = newToken(ENROLMENT_PREFIX);
  const sha256 = hashToken(token);
  return {
    token,
    record: {
      id: sha256.slice(0, 12),
      sha256,
      identity,
      createdBy,
      createdMs: nowMs,
      expiresMs: nowMs + lifetimeMs,
    },
  };
}

export function tokenState(record: TokenRecord, nowMs: number): TokenState {
  if (record.revokedMs !== undefined) return 'revoked';
  if (record.used) return 'used';
  return nowMs >= record.expiresMs ? 'expired' : 'unused';
}

const iso = (ms: number): string => new Date(ms).toISOString();

const REFUSALS: Readonly<Record<Exclude<TokenState, 'unused'>, (record: TokenRecord) => string>> = {
  used: ({ used }) => `was used at ${iso(used?.atMs ?? 0)} and works once only`,
  expired: ({ expiresMs }) => `expired at ${iso(expiresMs)}`,
  revoked: ({ revokedMs }) => `was revoked at ${iso(revokedMs ?? 0)}`,
};

/**
 * The record of a token as it is after this use, to be stored before the certificate leaves the house. The same token
 * with the same key again, before it expires, is taken as the repetition after a lost answer. Every record is compared, in
 * constant time each. Throws option_invalid for what is no token, unauthenticated for one that is unknown or spent.
 */
export function useToken(
  records: Iterable<TokenRecord>,
  text: string,
  use: { readonly keyId: string; readonly nowMs: number },
): { record: TokenRecord; repeated: boolean } {
  const token = parseToken(ENROLMENT_PREFIX, text);
  let found: TokenRecord | undefined;
  for (const record of records) if (tokenMatches(token, record.sha256)) found = record;
  if (!found)
    throw new FedrotError(
      'unauthenticated',
      'token: it is not known here; is this the right coordinator? Ask its operator for a new one',
    );
  const state = tokenState(found, use.nowMs);
  if (state === 'unused')
    return { record: { ...found, used: { atMs: use.nowMs, keyId: use.keyId } }, repeated: false };
  if (state === 'used' && found.used?.keyId === use.keyId && use.nowMs < found.expiresMs)
    return { record: found, repeated: true };
  throw new FedrotError(
    'unauthenticated',
    `token ${found.id} for ${describeIdentity(found.identity)} ${REFUSALS[state](found)}; ask the operator for a new one`,
    { details: { token: found.id, state } },
  );
}

/** The record of a token that is no longer wanted. Throws precondition_failed where it was used already. */
export function revokeToken(record: TokenRecord, nowMs: number): TokenRecord {
  if (record.used)
    throw new FedrotError(
      'precondition_failed',
      `token ${record.id} was used at ${iso(record.used.atMs)}; revoke ${describeIdentity(record.identity)} instead`,
    );
  return record.revokedMs === undefined ? { ...record, revokedMs: nowMs } : record;
}
