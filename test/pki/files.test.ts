import { chmodSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openAuthority } from '../../src/pki/authority-files.js';
import { pendingKey, readCredential, writeCredential } from '../../src/pki/credential-files.js';
import { keyId } from '../../src/pki/keys.js';
import { ensureOwnCredential } from '../../src/pki/own-certificate.js';
import { readRevocations, writeRevocations } from '../../src/pki/revocation-file.js';
import { NOBODY_REVOKED, revokeName } from '../../src/pki/revocation.js';
import { openToOthers, readSecret, writeSecret } from '../../src/pki/secret-file.js';
import { codeOf } from '../support/code-of.js';
import { authorityAt, DAY, party, silo, temporaryFolder } from './support/parties.js';

const now = Date.now();
const mode = (path: string): number => statSync(path).mode & 0o777;

describe('keys on disk', () => {
  test('are for their owner alone, whatever was there and whatever the umask', () => {
    const folder = join(temporaryFolder(), 'deep', 'er');
    const path = join(folder, 'key.pem');
    writeSecret(path, 'one');
    chmodSync(path, 0o666);
    writeSecret(path, 'two');
    expect(mode(path)).toBe(0o600);
    expect(mode(folder)).toBe(0o700);
    expect(readSecret(path)).toBe('two');
    expect(readdirSync(folder)).toEqual(['key.pem']);
  });

  test.each([
    [0o600, 1000, false],
    [0o400, 1000, false],
    [0o640, 1000, true],
    [0o604, 1000, true],
    [0o620, 1000, true],
    [0o640, 0, false],
    [0o440, 0, false],
    [0o660, 0, true],
    [0o644, 0, true],
  ])('mode %o of user %i: open to others %s', (fileMode, uid, open) => {
    expect(openToOthers({ mode: 0o100000 | fileMode, uid }, 'linux')).toBe(open);
  });

  test.skipIf(process.platform === 'win32')('are not read where others may read them', () => {
    const path = join(temporaryFolder(), 'key.pem');
    writeSecret(path, 'x');
    chmodSync(path, 0o644);
    expect(() => readSecret(path)).toThrow(/mode 0644.*chmod 600/);
    expect(codeOf(() => readSecret(path))).toBe('permission_denied');
    expect(codeOf(() => readSecret(`${path}x`))).toBe('not_found');
  });
});

describe('the authority', () => {
  test('is made on first start, and is the same ever after', async () => {
    const folder = join(temporaryFolder(), 'ca');
    const first = await openAuthority({ folder, name: 'clinics', nowMs: now });
    const second = await openAuthority({ folder, name: 'clinics', nowMs: now + DAY });
    expect([first.created, second.created]).toEqual([true, false]);
    expect(second.authority.root.raw.equals(first.authority.root.raw)).toBe(true);
    expect(mode(join(folder, 'ca-key.pem'))).toBe(0o600);
    expect(first.authority.certificate.subject).toContain('CN=clinics');
  });

  test('is never replaced because its key is missing', async () => {
    const folder = temporaryFolder();
    await openAuthority({ folder, name: 'clinics', nowMs: now });
    rmSync(join(folder, 'ca-key.pem'));
    await expect(openAuthority({ folder, name: 'clinics', nowMs: now })).rejects.toMatchObject({
      code: 'storage_corrupt',
    });
  });

  test('whose two files are of two authorities is refused', async () => {
    const [one, two] = [temporaryFolder(), temporaryFolder()];
    await openAuthority({ folder: one, name: 'one', nowMs: now });
    await openAuthority({ folder: two, name: 'two', nowMs: now });
    writeFileSync(join(one, 'ca.pem'), readFileSync(join(two, 'ca.pem')));
    await expect(openAuthority({ folder: one, name: 'one', nowMs: now })).rejects.toThrow(/does not belong/);
  });
});

describe('credentials', () => {
  test('go to disk and come back; the pending key is the one that is asked with until then', async () => {
    const folder = join(temporaryFolder(), 'silo');
    expect(() => readCredential(folder)).toThrow(/fedrot enrol/);
    const key = pendingKey(folder);
    expect(keyId(pendingKey(folder))).toBe(keyId(key));
    const credential = await party(await authorityAt(now), silo('a'), { nowMs: now, key });
    writeCredential(folder, credential);
    expect(readdirSync(folder).sort()).toEqual(['ca.pem', 'credential.pem']);
    expect(mode(join(folder, 'credential.pem'))).toBe(0o600);
    const read = readCredential(folder);
    expect(read.facts).toEqual({ ...read.facts, identity: silo('a'), serial: credential.facts.serial });
    expect(keyId(read.key)).toBe(keyId(key));
    expect(keyId(pendingKey(folder))).not.toBe(keyId(key));
  });

  test('the coordinator’s own is kept while it is good, else made anew', async () => {
    const authority = await authorityAt(now);
    const folder = temporaryFolder();
    const ensure = (changes: object = {}) =>
      ensureOwnCredential({
        folder,
        authority,
        identity: { kind: 'coordinator', name: 'main' },
        hosts: ['localhost', '127.0.0.1', '::1'],
        nowMs: now,
        ...changes,
      });
    expect((await ensure()).created).toBe(true);
    expect((await ensure()).created).toBe(false);
    expect((await ensure({ hosts: ['127.0.0.1'] })).created).toBe(false);
    expect((await ensure({ hosts: ['localhost', '10.1.2.3'] })).created).toBe(true);
    expect((await ensure({ hosts: ['localhost'], nowMs: now + 70 * DAY })).created).toBe(true);
    expect((await ensure({ hosts: ['localhost'], authority: await authorityAt(now) })).created).toBe(true);
    const bad = ensure({ hosts: ['not a host'] });
    await expect(bad).rejects.toMatchObject({ code: 'option_invalid' });
  });
});

test('revocations go to disk and come back; a file that cannot be read admits nobody', () => {
  const path = join(temporaryFolder(), 'revocations.json');
  expect(readRevocations(path)).toEqual(NOBODY_REVOKED);
  const list = revokeName(NOBODY_REVOKED, silo('a'), { atMs: 1, by: 'operator:ada', reason: 'left' });
  writeRevocations(path, list);
  expect(readRevocations(path)).toEqual(list);
  for (const text of ['', '{}', '{"format":"fedrot-revocations/1","serials":{},"names":{},"more":1}']) {
    writeFileSync(path, text);
    expect(codeOf(() => readRevocations(path))).toBe('storage_corrupt');
  }
});
