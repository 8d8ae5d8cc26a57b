import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { FedrotError } from '../errors.js';
import { sha256Hex } from '../sha256.js';

/**
 * Secrets that people carry from one terminal to another: PREFIX_ and 48 characters, which are 32 random bytes and 4 bytes
 * of SHA-256 over prefix and secret, in base64url. The check tells a typo from a wrong token. Stored is only the SHA-256 of the
 * whole text: 256 random bits need no slow hash.
 */
const SECRET_BYTES = 32;
const CHECK_BYTES = 4;

function checkOf(prefix: string, secret: Uint8Array): Buffer {
  return createHash('sha256').update(`${prefix}_`).update(secret).digest().subarray(0, CHECK_BYTES);
}

/** A new token. It is shown once and never stored. */
export function newToken(prefix: string): string {
  const secret = randomBytes(SECRET_BYTES);
  return `${prefix}_${Buffer.concat([secret, checkOf(prefix, secret)]).toString('base64url')}`;
}

/**
 * The token without the white space around it. Throws option_invalid where it cannot be one: another prefix, another length,
 * a typo. Messages never repeat the token.
 */
export function parseToken(prefix: string, text: string): string {
  const token = text.trim();
  if (!token.startsWith(`${prefix}_`))
    throw new FedrotError('option_invalid', `token: it must begin with ${prefix}_; was all of it copied?`);
  const body = token.slice(prefix.length + 1);
  const characters = ((SECRET_BYTES + CHECK_BYTES) * 4) / 3;
  if (body.length !== characters)
    throw new FedrotError(
      'option_invalid',
      `token: ${body.length} characters after ${prefix}_; there must be ${characters}: was all of it copied?`,
    );
  const bytes = Buffer.from(body, 'base64url');
  const check = bytes.subarray(SECRET_BYTES);
  if (bytes.toString('base64url') !== body || !check.equals(checkOf(prefix, bytes.subarray(0, SECRET_BYTES))))
    throw new FedrotError('option_invalid', 'token: its check does not fit: a character is wrong');
  return token;
}

/** What is stored of a token: SHA-256, hex. */
export function hashToken(token: string): string {
  return sha256Hex(token);
}

/** Whether a token has this hash, in constant time. */
export function tokenMatches(token: string, sha256: string): boolean {
  const expected = Buffer.from(sha256, 'hex');
  const actual = createHash('sha256').update(token).digest();
  return expected.length === actual.length && timingSafeEqual(expected, actual);
}
