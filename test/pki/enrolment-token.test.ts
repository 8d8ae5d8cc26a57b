import { describe, expect, test } from 'vitest';
import fc from 'fast-check';
import {
  createEnrolmentToken,
  ENROLMENT_PREFIX,
  MAX_TOKEN_MS,
  revokeToken,
  tokenState,
  useToken,
  type TokenRecord,
} from '../../src/pki/enrolment-token.js';
import { newToken, parseToken } from '../../src/pki/secret-token.js';
import { codeOf } from '../support/code-of.js';
import { silo } from './support/parties.js';

const T0 = 1_700_000_000_000;
const HOUR = 3_600_000;
const make = (lifetimeMs = HOUR) =>
  createEnrolmentToken({ identity: silo('a'), createdBy: 'operator:ada', nowMs: T0, lifetimeMs });

describe('states', () => {
  const { token, record } = make();
  const used: TokenRecord = { ...record, used: { atMs: T0 + 1, keyId: 'k1' } };
  const revoked: TokenRecord = { ...record, revokedMs: T0 + 1 };
  // record, time, key of the caller → state, outcome
  test.each([
    ['unused', record, T0, 'k1', 'unused', 'fresh'],
    ['one millisecond before the end', record, T0 + HOUR - 1, 'k1', 'unused', 'fresh'],
    ['at the end', record, T0 + HOUR, 'k1', 'expired', /expired at 2023-11-14T23:13:20.000Z/],
    ['used, the same key again', used, T0 + 2, 'k1', 'used', 'repeated'],
    ['used, another key: a replay', used, T0 + 2, 'k2', 'used', /was used at .* works once only/],
    ['used, the same key after the end', used, T0 + HOUR, 'k1', 'used', /was used/],
    ['revoked', revoked, T0 + 2, 'k1', 'revoked', /was revoked/],
    ['revoked, and the time is over', revoked, T0 + 2 * HOUR, 'k1', 'revoked', /was revoked/],
  ] as const)('%s', (_label, stored, nowMs, keyId, state, outcome) => {
    expect(tokenState(stored, nowMs)).toBe(state);
    const use = () => useToken([make().record, stored, make().record], token, { keyId, nowMs });
    if (outcome === 'fresh')
      expect(use()).toEqual({ record: { ...stored, used: { atMs: nowMs, keyId } }, repeated: false });
    else if (outcome === 'repeated') expect(use()).toEqual({ record: stored, repeated: true });
    else {
      expect(use).toThrow(outcome);
      expect(codeOf(use)).toBe('unauthenticated');
      expect(use).not.toThrow(token);
    }
  });

  test('a token of somebody else', () => {
    expect(() => useToken([record], make().token, { keyId: 'k', nowMs: T0 })).toThrow(/not known here/);
  });

  test('revoking', () => {
    expect(revokeToken(record, T0 + 5).revokedMs).toBe(T0 + 5);
    expect(revokeToken(revoked, T0 + 5)).toEqual(revoked);
    expect(codeOf(() => revokeToken(used, T0 + 5))).toBe('precondition_failed');
  });
});

test('the record does not hold the token, and names it by its hash', () => {
  const { token, record } = make();
  expect(JSON.stringify(record)).not.toContain(token.slice(ENROLMENT_PREFIX.length + 1, -8));
  expect(record.id).toBe(record.sha256.slice(0, 12));
});

test('bad names and lifetimes', () => {
  const with_ = (name: string, lifetimeMs: number) =>
    codeOf(() => createEnrolmentToken({ identity: silo(name), createdBy: 'x', nowMs: T0, lifetimeMs }));
  for (const name of ['', 'A', '-a', 'a:b', 'a'.repeat(64), 'a b'])
    expect(with_(name, HOUR)).toBe('option_invalid');
  for (const ms of [0, -1, Number.NaN, 999, MAX_TOKEN_MS + 1]) expect(with_('a', ms)).toBe('option_invalid');
});

describe('typing errors', () => {
  test('every wrong character is told from a wrong token', () => {
    const letters = ['A', 'B', 'a', 'b', '0', '1', '-', '_'];
    fc.assert(
      fc.property(fc.nat(47), fc.constantFrom(...letters), (at, letter) => {
        const token = newToken(ENROLMENT_PREFIX);
        const place = ENROLMENT_PREFIX.length + 1 + at;
        if (token[place] === letter) return;
        const typo = token.slice(0, place) + letter + token.slice(place + 1);
        expect(() => parseToken(ENROLMENT_PREFIX, typo)).toThrow(/a character is wrong/);
      }),
    );
  });
  test.each([
    ['cut', (token: string) => token.slice(0, -1), /47 characters.*48/],
    ['too long', (token: string) => `${token}A`, /49 characters/],
    ['without its beginning', (token: string) => token.slice(3), /must begin with fedrot-enrol_/],
    ['empty', () => ' ', /must begin/],
    ['of another kind', () => newToken('fedrot-http'), /must begin/],
    ['in standard base64', (token: string) => token.slice(0, -1) + '+', /a character is wrong/],
  ])('%s', (_label, change, message) => {
    expect(() => parseToken(ENROLMENT_PREFIX, change(newToken(ENROLMENT_PREFIX)))).toThrow(message);
  });
  test('white space around it does not matter', () => {
    const token = newToken(ENROLMENT_PREFIX);
    expect(parseToken(ENROLMENT_PREFIX, `\n ${token} \r\n`)).toBe(token);
  });
});
