import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { ReplayWindow } from '../../src/pki/replay-window.js';
import { NOBODY_REVOKED, revokeName } from '../../src/pki/revocation.js';
import {
  signRequest,
  verifySignedRequest,
  type RequestStatement,
  type SignedRequestHeaders,
  type VerifyRequestOptions,
} from '../../src/pki/signed-request.js';
import { codeOf } from '../support/code-of.js';
import { authorityAt, COORDINATOR, DAY, party, silo } from './support/parties.js';

const now = Date.now();
const authority = await authorityAt(now);
const a = await party(authority, silo('a'), { nowMs: now });
const statement: RequestStatement = {
  audience: 'main@consortium',
  method: '/fedrot.v1.SiloService/Register',
  bodySha256: createHash('sha256').update('body').digest(),
};
const options = (changes: Partial<VerifyRequestOptions> = {}): VerifyRequestOptions => ({
  roots: [authority.root],
  revocations: NOBODY_REVOKED,
  replays: new ReplayWindow(),
  nowMs: now,
  ...changes,
});
const outcome = (
  headers: Partial<SignedRequestHeaders>,
  received: Partial<RequestStatement> = {},
  changes: Partial<VerifyRequestOptions> = {},
): string => codeOf(() => verifySignedRequest(headers, { ...statement, ...received }, options(changes)));

test('a signed request says who sent it', () => {
  const facts = verifySignedRequest(signRequest(statement, a, now), statement, options());
  expect(facts).toMatchObject({ identity: silo('a'), serial: a.facts.serial });
});

test.each([
  ['another method', { method: '/fedrot.v1.SiloService/Heartbeat' }],
  ['another body', { bodySha256: createHash('sha256').update('Body').digest() }],
  ['another coordinator', { audience: 'other@consortium' }],
])('%s than was signed', (_label, received) => {
  expect(() =>
    verifySignedRequest(signRequest(statement, a, now), { ...statement, ...received }, options()),
  ).toThrow(/does not fit the request/);
});

test('any single bit of the metadata changed is noticed', () => {
  const headers = signRequest(statement, a, now);
  for (const key of ['fedrot-signature', 'fedrot-certificate'] as const)
    for (let at = 0; at < headers[key].length; at++) {
      const bytes = Buffer.from(headers[key], 'latin1');
      bytes[at]! ^= 1 << (at % 6);
      const changed = { ...headers, [key]: bytes.toString('latin1') };
      // The last base64url character of a part may carry bits that no byte uses.
      const ends = headers[key][at + 1] === '.' || at + 1 === headers[key].length;
      if (!ends) expect(outcome(changed), `${key} character ${at}`).toBe('unauthenticated');
    }
});

test('nothing, and nonsense', () => {
  const good = signRequest(statement, a, now);
  expect(outcome({})).toBe('unauthenticated');
  for (const text of ['', '.', 'x', `${now}`, `${now}..`, 'a.b.c', '.'.repeat(20_000)]) {
    expect(outcome({ ...good, 'fedrot-signature': text })).toBe('unauthenticated');
    expect(outcome({ ...good, 'fedrot-certificate': text })).toBe('unauthenticated');
  }
});

describe('time', () => {
  test.each([
    [-60_001, 'unauthenticated'],
    [-60_000, 'nothing thrown'],
    [60_000, 'nothing thrown'],
    [60_001, 'unauthenticated'],
  ])('signed %i ms from now: %s', (offset, expected) => {
    expect(outcome(signRequest(statement, a, now + offset))).toBe(expected);
  });

  test('a replay is refused for as long as the request would be believed', () => {
    const replays = new ReplayWindow();
    const headers = signRequest(statement, a, now);
    expect(outcome(headers, {}, { replays })).toBe('nothing thrown');
    expect(() => verifySignedRequest(headers, statement, options({ replays }))).toThrow(/replay/);
    expect(outcome(headers, {}, { replays, nowMs: now + 60_000 })).toBe('unauthenticated');
    expect(outcome(signRequest(statement, a, now), {}, { replays })).toBe('nothing thrown');
  });

  test('nonces are forgotten afterwards, and bounded by signer', () => {
    const replays = new ReplayWindow({ maxPerSigner: 2 });
    for (const nonce of ['1', '2']) replays.take('a', nonce, now + 100, now);
    expect(codeOf(() => replays.take('a', '3', now + 100, now))).toBe('quota_exceeded');
    replays.take('b', '1', now + 100, now);
    expect(replays.size).toBe(3);
    replays.take('a', '3', now + 5000, now + 2000);
    expect(replays.size).toBe(1);
  });

  test('a request that fails does not fill the window', () => {
    const replays = new ReplayWindow();
    outcome(signRequest(statement, a, now), { method: '/other' }, { replays });
    expect(replays.size).toBe(0);
  });
});

test('certificates that do not count', async () => {
  const other = await party(await authorityAt(now), silo('a'), { nowMs: now });
  expect(outcome(signRequest(statement, other, now))).toBe('unauthenticated');
  const old = await authorityAt(now - 300 * DAY);
  const expired = await party(old, silo('a'), { nowMs: now - 200 * DAY });
  expect(outcome(signRequest(statement, expired, now), {}, { roots: [old.root] })).toBe('unauthenticated');
  const server = await party(authority, COORDINATOR, { nowMs: now });
  expect(outcome(signRequest(statement, server, now))).toBe('unauthenticated');
  const revocations = revokeName(NOBODY_REVOKED, silo('a'), { atMs: now, by: 'x', reason: '' });
  expect(outcome(signRequest(statement, a, now), {}, { revocations })).toBe('unauthenticated');
  // Somebody else's certificate with one's own key.
  const b = await party(authority, silo('b'), { nowMs: now });
  expect(outcome(signRequest(statement, { key: b.key, certificates: a.certificates }, now))).toBe(
    'unauthenticated',
  );
  // The authority's own key and certificate.
  expect(outcome(signRequest(statement, { key: authority.key, certificates: [authority.root] }, now))).toBe(
    'unauthenticated',
  );
});

test('a certificate signed by a silo as if it were an authority', async () => {
  const { issued } = a;
  const forged = await party(
    {
      certificate: issued.certificate,
      key: a.key,
      intermediates: [issued.certificate],
      root: authority.root,
    },
    { kind: 'operator', name: 'a', role: 'admin' },
    { nowMs: now },
  );
  expect(outcome(signRequest(statement, forged, now))).toBe('unauthenticated');
});
