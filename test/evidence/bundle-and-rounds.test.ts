import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { parseBundleSignature, signBundle, verifyBundle } from '../../src/evidence/bundle-signature.js';
import { readRounds, writeRound } from '../../src/evidence/round-files.js';
import { sealRound } from '../../src/evidence/round-manifest.js';
import { signDigest } from '../../src/evidence/signature.js';
import { verifyChain } from '../../src/evidence/verify-chain.js';
import { sha256Hex } from '../../src/sha256.js';
import { codeOf } from '../support/code-of.js';
import { chain, roundBody } from './support/rounds.js';

const key = generateKeyPairSync('ed25519').privateKey;
const keys = [createPublicKey(key)];
const bundle = sha256Hex('manifest.json');

test('a bundle that was signed, and nothing else', () => {
  const signed = parseBundleSignature(signBundle(bundle, key, 'PEM'));
  expect(verifyBundle(bundle, signed, keys)).toBe(keys[0]);
  const refused = (...given: Parameters<typeof verifyBundle>) => codeOf(() => verifyBundle(...given));
  expect(refused(sha256Hex('other'), signed, keys)).toBe('unauthenticated');
  expect(refused(sha256Hex('other'), { ...signed, bundle: sha256Hex('other') }, keys)).toBe(
    'unauthenticated',
  );
  expect(refused(bundle, signed, [])).toBe('unauthenticated');
  expect(refused(bundle, signed, [generateKeyPairSync('ed25519').publicKey])).toBe('unauthenticated');
  // A signature over the same digest for another purpose.
  expect(refused(bundle, { ...signed, signature: signDigest('round', bundle, key) }, keys)).toBe(
    'unauthenticated',
  );
  const { value } = signed.signature;
  for (let at = 0; at < 86; at++) {
    const changed = value.slice(0, at) + (value[at] === 'A' ? 'B' : 'A') + value.slice(at + 1);
    expect(refused(bundle, { ...signed, signature: { ...signed.signature, value: changed } }, keys)).toBe(
      'unauthenticated',
    );
  }
});

test('signature files that are none', () => {
  const good = signBundle(bundle, key, 'PEM');
  for (const text of ['', '{}', `${good}\n`, good.replace('ed25519', 'none'), good.replace('/1', '/2')])
    expect(codeOf(() => parseBundleSignature(text))).toBe('file_invalid');
});

test('files of rounds: written once, read in order, verified; sha256sum is the link', async () => {
  const folder = join(mkdtempSync(join(tmpdir(), 'fedrot-rounds-')), 'mails');
  onTestFinished(() => rmSync(join(folder, '..'), { recursive: true, force: true }));
  expect(await readRounds(folder)).toEqual([]);
  const links = chain(key, 11);
  for (const link of [...links].reverse()) await writeRound(folder, link);
  await writeRound(folder, links[4]!);
  expect(readdirSync(folder)).toHaveLength(11);
  expect(verifyChain(await readRounds(folder), keys)).toMatchObject({ ok: true, rounds: 11 });
  expect(links[5]!.manifest.previous).toBe(sha256Hex(readFileSync(join(folder, 'round-000005.json'))));
  const other = sealRound(roundBody(5, { publishedMs: 1 }), links[3]!, key);
  await expect(writeRound(folder, other)).rejects.toMatchObject({ code: 'already_exists' });
  rmSync(join(folder, 'round-000005.json'));
  expect(verifyChain(await readRounds(folder), keys)).toMatchObject({ ok: false, broken: { round: 5 } });
  writeFileSync(join(folder, 'round-000005.json'), Buffer.from([0x7b, 0xff]));
  await expect(readRounds(folder)).rejects.toMatchObject({ code: 'storage_corrupt' });
});
