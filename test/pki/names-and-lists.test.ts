import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatFingerprint, parseFingerprint } from '../../src/pki/fingerprint.js';
import { identityUri, parseIdentityUri, type Identity } from '../../src/pki/identity.js';
import { renewalState, renewAtMs } from '../../src/pki/renewal.js';
import { NOBODY_REVOKED, readmit, revocationOf, revokeName, revokeSerial } from '../../src/pki/revocation.js';
import { newSerial, normaliseSerial } from '../../src/pki/serial.js';
import { codeOf } from '../support/code-of.js';
import { silo } from './support/parties.js';

describe('identities', () => {
  test.each<[string, Identity]>([
    ['fedrot:silo:hospital-a', { kind: 'silo', name: 'hospital-a' }],
    ['fedrot:coordinator:main', { kind: 'coordinator', name: 'main' }],
    ['fedrot:signer:main', { kind: 'signer', name: 'main' }],
    ['fedrot:operator:ada:admin', { kind: 'operator', name: 'ada', role: 'admin' }],
  ])('%s', (uri, identity) => {
    expect(identityUri(identity)).toBe(uri);
    expect(parseIdentityUri(uri)).toEqual(identity);
  });
  test.each([
    ...[
      '',
      'fedrot',
      'fedrot:',
      'fedrot:silo',
      'fedrot:silo:',
      'fedrot:silo:a:',
      'fedrot:silo:a:admin',
      'silo:a',
    ],
    ...['fedrot:operator:ada', 'fedrot:operator:ada:root', 'fedrot:operator:ada:admin:x', 'fedrot:king:a'],
    ...[
      'FEDROT:silo:a',
      'fedrot:silo:A',
      'fedrot:silo:a b',
      'fedrot:silo:a\n',
      ' fedrot:silo:a',
      'fedrot:silo:%61',
    ],
    ...['fedrot:silo:__proto__', 'fedrot:toString:a', 'fedrot:operator:ada:toString'],
  ])('%j is nobody', (uri) => {
    expect(parseIdentityUri(uri)).toBeUndefined();
  });
});

describe('fingerprints', () => {
  const hex = '0123456789abcdef'.repeat(4);
  test.each([
    hex,
    hex.toUpperCase(),
    formatFingerprint(hex),
    `sha256:${hex}`,
    `SHA256 Fingerprint=${formatFingerprint(hex)}`,
    ` sha256 Fingerprint=${formatFingerprint(hex)}\n`,
  ])('%j', (text) => {
    expect(parseFingerprint(text)).toBe(hex);
  });
  test('what is none', () => {
    for (const text of ['', hex.slice(1), `${hex}0`, hex.replace('f', 'g')])
      expect(codeOf(() => parseFingerprint(text))).toBe('option_invalid');
    expect(() => parseFingerprint(hex.slice(0, 40))).toThrow(/SHA-1/);
  });
});

describe('serial numbers', () => {
  test('are of 16 octets, positive, and never the same', () => {
    const serials = Array.from({ length: 1000 }, newSerial);
    expect(new Set(serials).size).toBe(1000);
    for (const serial of serials) expect(serial).toMatch(/^[4-7][0-9a-f]{31}$/);
  });
  test('compare equal however they are written', () => {
    for (const text of ['0A1B', 'a1b', '00:0a:1B']) expect(normaliseSerial(text)).toBe('a1b');
    expect(normaliseSerial('00')).toBe('0');
  });
});

describe('renewal', () => {
  const DAY = 86_400_000;
  const life = (sha256: string) => ({ notBeforeMs: 0, notAfterMs: 90 * DAY, sha256 });
  test('comes when two thirds of the life are over, spread over a twentieth of it', () => {
    expect(renewAtMs(life('0'.repeat(64)))).toBe(60 * DAY);
    expect(renewAtMs(life('f'.repeat(64))) / DAY).toBeCloseTo(55.5, 5);
  });
  test.each([
    [59 * DAY, 'keep'],
    [60 * DAY, 'renew'],
    [90 * DAY, 'renew'],
    [90 * DAY + 1, 'expired'],
  ])('after %i ms: %s', (nowMs, state) => {
    expect(renewalState(life('0'.repeat(64)), nowMs)).toBe(state);
  });
});

describe('revocation', () => {
  const entry = { atMs: 5, by: 'operator:ada', reason: 'left' };
  const a1 = { identity: silo('a'), serial: 'a1' };
  test('by serial meets one certificate, by name all of them, past and future', () => {
    const bySerial = revokeSerial(NOBODY_REVOKED, '00:A1', entry);
    expect(revocationOf(bySerial, a1)).toEqual(entry);
    expect(revocationOf(bySerial, { ...a1, serial: 'a2' })).toBeUndefined();
    const byName = revokeName(NOBODY_REVOKED, silo('a'), entry);
    expect(revocationOf(byName, { ...a1, serial: 'ffff' })).toEqual(entry);
    expect(revocationOf(byName, { identity: silo('b'), serial: 'a1' })).toBeUndefined();
    const operator: Identity = { kind: 'operator', name: 'a', role: 'admin' };
    expect(revocationOf(byName, { identity: operator, serial: 'a1' })).toBeUndefined();
  });
  test('who is readmitted has to enrol again', () => {
    const list = readmit(revokeName(NOBODY_REVOKED, silo('a'), entry), silo('a'), ['a1', 'a2']);
    expect(revocationOf(list, a1)).toEqual(entry);
    expect(revocationOf(list, { ...a1, serial: 'a3' })).toBeUndefined();
    expect(codeOf(() => readmit(list, silo('a'), []))).toBe('not_found');
  });
  test('names of the language are no entries', () => {
    fc.assert(
      fc.property(fc.constantFrom('constructor', '__proto__', 'toString'), (serial) => {
        expect(revocationOf(NOBODY_REVOKED, { identity: silo('a'), serial })).toBeUndefined();
      }),
    );
    expect(codeOf(() => revokeSerial(NOBODY_REVOKED, '__proto__', entry))).toBe('option_invalid');
  });
  test('the first revocation stays', () => {
    const list = revokeName(revokeName(NOBODY_REVOKED, silo('a'), entry), silo('a'), { ...entry, atMs: 9 });
    expect(revocationOf(list, a1)?.atMs).toBe(5);
  });
});
