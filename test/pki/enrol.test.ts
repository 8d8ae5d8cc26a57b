import { createPublicKey } from 'node:crypto';
import { expect, test } from 'vitest';
import { enrol, renew } from '../../src/pki/enrol.js';
import { createEnrolmentToken, type TokenRecord } from '../../src/pki/enrolment-token.js';
import type { Identity } from '../../src/pki/identity.js';
import { generateKey } from '../../src/pki/keys.js';
import { createRequest, verifyRequest } from '../../src/pki/request.js';
import { NOBODY_REVOKED, revokeName, revokeSerial } from '../../src/pki/revocation.js';
import { verifyCertificate } from '../../src/pki/verify-certificate.js';
import { authorityAt, silo } from './support/parties.js';

const now = Date.now();
const authority = await authorityAt(now);
const entry = { atMs: now, by: 'operator:ada', reason: 'left the consortium' };

function office(identity: Identity = silo('a')) {
  const { token, record } = createEnrolmentToken({ identity, createdBy: 'operator:ada', nowMs: now });
  const stored = new Map([[record.id, record]]);
  const store = (changed: TokenRecord): void => void stored.set(changed.id, changed);
  const ask = (requestPem: string, revocations = NOBODY_REVOKED) =>
    enrol({ authority, revocations, nowMs: now, tokens: stored.values(), store }, { token, requestPem });
  return { ask, stored, record };
}

test('from token to a certificate for the key that never left', async () => {
  const key = generateKey();
  // The name in the request is another one: it does not count.
  const { issued } = await office().ask(await createRequest(key, 'somebody-else'));
  expect(issued.identity).toEqual(silo('a'));
  expect(issued.certificate.publicKey.equals(createPublicKey(key))).toBe(true);
  const facts = verifyCertificate(issued.certificate, {
    roots: [authority.root],
    nowMs: now,
    usage: 'client',
  });
  expect(facts.sha256).toBe(issued.sha256);
  expect(Math.round((issued.notAfterMs - now) / 86_400_000)).toBe(90);
});

test('an operator gets the role of the token', async () => {
  const identity: Identity = { kind: 'operator', name: 'ada', role: 'viewer' };
  const { issued } = await office(identity).ask(await createRequest(generateKey(), 'ada'));
  expect(issued.identity).toEqual(identity);
});

test('a token that is replayed with another key is refused; the same request again is a repetition', async () => {
  const { ask } = office();
  const request = await createRequest(generateKey(), 'a');
  expect((await ask(request)).repeated).toBe(false);
  const again = await ask(request);
  expect(again.repeated).toBe(true);
  expect(again.issued.identity).toEqual(silo('a'));
  await expect(ask(await createRequest(generateKey(), 'a'))).rejects.toMatchObject({
    code: 'unauthenticated',
  });
});

test('no certificate is made before the use of the token is stored', async () => {
  const { token, record } = createEnrolmentToken({ identity: silo('a'), createdBy: 'x', nowMs: now });
  const failing = enrol(
    {
      authority,
      revocations: NOBODY_REVOKED,
      nowMs: now,
      tokens: [record],
      store: () => Promise.reject(new Error('disk')),
    },
    { token, requestPem: await createRequest(generateKey(), 'a') },
  );
  await expect(failing).rejects.toThrow('disk');
});

test('a revoked silo cannot enrol or renew, and its token is not used up', async () => {
  const { ask, stored, record } = office();
  const revocations = revokeName(NOBODY_REVOKED, silo('a'), entry);
  const requestPem = await createRequest(generateKey(), 'a');
  await expect(ask(requestPem, revocations)).rejects.toThrow(/silo a was revoked/);
  expect(stored.get(record.id)?.used).toBeUndefined();
  const { issued } = await ask(requestPem);
  const context = { authority, nowMs: now };
  await expect(renew({ ...context, revocations }, issued, requestPem)).rejects.toThrow(/revoked/);
  const bySerial = revokeSerial(NOBODY_REVOKED, issued.serial, entry);
  await expect(renew({ ...context, revocations: bySerial }, issued, requestPem)).rejects.toThrow(/revoked/);
  const next = await renew(
    { ...context, revocations: NOBODY_REVOKED },
    issued,
    await createRequest(generateKey(), 'b'),
  );
  expect(next.identity).toEqual(silo('a'));
  expect(next.serial).not.toBe(issued.serial);
});

test('requests that are none', async () => {
  const good = await createRequest(generateKey(), 'a');
  const der = Buffer.from(good.split('\n').slice(1, -2).join(''), 'base64');
  const pem = (bytes: Buffer): string =>
    `-----BEGIN CERTIFICATE REQUEST-----\n${bytes.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
  expect((await verifyRequest(pem(der))).asymmetricKeyType).toBe('ec');
  const flipped = (at: number): Buffer =>
    Buffer.from(der.map((byte, index) => (index === at ? byte ^ 1 : byte)));
  const name = der.indexOf('a', der.indexOf(Buffer.from([0x55, 0x04, 0x03])) + 5, 'latin1');
  const bad = [
    '',
    'x',
    pem(der.subarray(0, 40)),
    pem(flipped(name)),
    pem(flipped(der.length - 3)),
    'A'.repeat(9000),
  ];
  for (const text of bad) await expect(verifyRequest(text)).rejects.toMatchObject({ code: 'option_invalid' });
});
