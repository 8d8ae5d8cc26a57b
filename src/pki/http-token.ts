import { FedrotError } from '../errors.js';
import { checkName } from '../name.js';
import { isRole, type Role } from './roles.js';
import { hashToken, newToken } from './secret-token.js';

/** Begins every token of the HTTP side, so that scanners for leaked secrets can know it. */
export const HTTP_PREFIX = 'fedrot-http';

const DAY_MS = 86_400_000;
const DEFAULT_HTTP_TOKEN_MS = 90 * DAY_MS;
const MAX_HTTP_TOKEN_MS = 365 * DAY_MS;

/** Who may use the HTTP side, by a token that is shown again and again: unlike one for enrolment. Only its hash is stored. */
export interface HttpTokenRecord {
  /** The first 12 digits of the hash. */
  readonly id: string;
  /** SHA-256, hex. */
  readonly sha256: string;
  readonly name: string;
  readonly role: Role;
  readonly createdBy: string;
  readonly createdMs: number;
  readonly expiresMs: number;
  readonly revokedMs?: number;
}

export interface HttpOperator {
  readonly name: string;
  readonly role: Role;
}

export type HttpTokenState = 'valid' | 'expired' | 'revoked';

export function httpTokenState(record: HttpTokenRecord, nowMs: number): HttpTokenState {
  if (record.revokedMs !== undefined) return 'revoked';
  return nowMs >= record.expiresMs ? 'expired' : 'valid';
}

/** A new token, shown once, and its record. Throws option_invalid for a bad name, role or lifetime (1 minute to 365 days; default 90 days). */
export function createHttpToken(request: {
  readonly name: string;
  readonly role: string;
  readonly createdBy: string;
  readonly nowMs: number;
  readonly lifetimeMs?: number | undefined;
}): { token: string; record: HttpTokenRecord } {
  const { role, createdBy, nowMs, lifetimeMs = DEFAULT_HTTP_TOKEN_MS } = request;
  const name = checkName(request.name, 'dashboard name');
  if (!isRole(role))
    throw new FedrotError('option_invalid', 'role of a dashboard token: must be viewer, operator or admin');
  if (!(lifetimeMs >= 60_000 && lifetimeMs <= MAX_HTTP_TOKEN_MS))
    throw new FedrotError(
      'option_invalid',
      `token lifetime ${lifetimeMs} ms: must be from 1 minute to 365 days`,
    );
  const token = newToken(HTTP_PREFIX);
  const sha256 = hashToken(token);
  const id = sha256.slice(0, 12);
  const expiresMs = nowMs + lifetimeMs;
  return { token, record: { id, sha256, name, role, createdBy, createdMs: nowMs, expiresMs } };
}
