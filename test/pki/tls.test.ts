import type { ConnectionOptions } from 'node:tls';
import { describe, expect, test } from 'vitest';
import type { Authority } from '../../src/pki/authority.js';
import { certificateFacts } from '../../src/pki/certificate.js';
import type { Credential } from '../../src/pki/credential.js';
import { tlsOptions } from '../../src/pki/tls-options.js';
import { authorityAt, COORDINATOR, DAY, party, silo } from './support/parties.js';
import { handshake, type Handshake } from './support/handshake.js';

const now = Date.now();
const authority = await authorityAt(now);
const coordinator = await party(authority, COORDINATOR, { nowMs: now });

const clientOf = (client: Credential | undefined): ConnectionOptions =>
  client ? tlsOptions(client) : { ca: [authority.root.toString()] };

const serve = (client: Credential | undefined, strict = false): Promise<Handshake> =>
  handshake(tlsOptions(coordinator), clientOf(client), strict);

const partyOf = (of: Authority, nowMs = now): Promise<Credential> => party(of, silo('a'), { nowMs });

describe('TLS 1.3 with certificates of the authority', () => {
  test('the right certificate is served, and its identity is read from the socket', async () => {
    const result = await serve(await partyOf(authority));
    expect(result).toMatchObject({ client: undefined, protocol: 'TLSv1.3', server: undefined });
    expect(result.cipher).toMatch(/^TLS_(AES|CHACHA20)/);
    expect(certificateFacts(result.accepted!).identity).toEqual({ kind: 'silo', name: 'a' });
  });

  test('no certificate', async () => {
    expect(await serve(undefined)).toMatchObject({ accepted: undefined, client: 'no certificate' });
    const strict = await serve(undefined, true);
    expect(strict.accepted).toBeUndefined();
    expect(strict.client).toMatch(/CERTIFICATE_REQUIRED/);
  });

  test('a certificate of another authority, even one of the same name', async () => {
    const other = { ...(await partyOf(await authorityAt(now))), roots: [authority.root] };
    const result = await serve(other);
    expect(result.accepted).toBeUndefined();
    expect(result.client).toMatch(/SIGNATURE|ISSUER|UNABLE_TO_VERIFY/);
    const strict = await serve(other, true);
    expect(strict.accepted).toBeUndefined();
    expect(strict.client).toBeDefined();
  });

  test('an expired certificate, and one that is not valid yet', async () => {
    const old = await authorityAt(now - 300 * DAY);
    const server = await party(old, COORDINATOR, { nowMs: now });
    for (const [nowMs, code] of [
      [now - 200 * DAY, 'CERT_HAS_EXPIRED'],
      [now + 30 * DAY, 'CERT_NOT_YET_VALID'],
    ] as const) {
      const client = tlsOptions(await party(old, silo('a'), { nowMs }));
      expect(await handshake(tlsOptions(server), client)).toMatchObject({
        accepted: undefined,
        client: code,
      });
      const strict = await handshake(tlsOptions(server), client, true);
      expect(strict.accepted).toBeUndefined();
      expect(strict.client).toBeDefined();
    }
  });

  test("the clock of a silo may be nine minutes behind the authority's", async () => {
    const ahead = await authorityAt(now + 9 * 60_000);
    const result = await handshake(
      tlsOptions(await party(ahead, COORDINATOR, { nowMs: now + 9 * 60_000 })),
      tlsOptions(await party(ahead, silo('a'), { nowMs: now + 9 * 60_000 })),
    );
    expect(result.client).toBeUndefined();
  });

  test('a silo cannot pose as the coordinator, nor a coordinator as a silo', async () => {
    const client = await partyOf(authority);
    const posing = await handshake(tlsOptions(client), tlsOptions(client));
    expect(posing.client).toMatch(/purpose|ALTNAME/i);
    const reverse = await serve(coordinator);
    expect(reverse.accepted).toBeUndefined();
    expect(reverse.client).toMatch(/PURPOSE/);
  });

  test('a coordinator under a name that its certificate does not hold', async () => {
    const elsewhere = await party(authority, COORDINATOR, { nowMs: now, hosts: ['fedrot.example'] });
    const result = await handshake(tlsOptions(elsewhere), tlsOptions(await partyOf(authority)));
    expect(result.client).toMatch(/ERR_TLS_CERT_ALTNAME_INVALID/);
  });

  test('the older protocol is refused unless it was allowed', async () => {
    const client = await partyOf(authority);
    const tls12 = { ...tlsOptions(client, 'TLSv1.2'), maxVersion: 'TLSv1.2' as const };
    const refused = await handshake(tlsOptions(coordinator), tls12);
    expect(refused.client).toMatch(/protocol.version/i);
    const allowed = await handshake(tlsOptions(coordinator, 'TLSv1.2'), tls12);
    expect(allowed).toMatchObject({ client: undefined, protocol: 'TLSv1.2' });
    expect(allowed.cipher).toMatch(/^ECDHE-ECDSA-.*(GCM|POLY1305)/);
  });

  test('weak suites of TLS 1.2 are refused even where TLS 1.2 is allowed', async () => {
    const client = tlsOptions(await partyOf(authority), 'TLSv1.2');
    for (const ciphers of ['AES128-GCM-SHA256', 'ECDHE-ECDSA-AES128-SHA']) {
      const weak = { ...client, maxVersion: 'TLSv1.2' as const, ciphers };
      expect((await handshake(tlsOptions(coordinator, 'TLSv1.2'), weak)).client).toMatch(
        /HANDSHAKE_FAILURE/i,
      );
    }
  });
});
