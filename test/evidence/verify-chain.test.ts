import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalJson } from '../../src/evidence/canonical-json.js';
import { sealRound } from '../../src/evidence/round-manifest.js';
import { verifyChain } from '../../src/evidence/verify-chain.js';
import { sha256Hex } from '../../src/sha256.js';
import { codeOf } from '../support/code-of.js';
import { chain, roundBody } from './support/rounds.js';

const ed25519 = (): KeyObject => generateKeyPairSync('ed25519').privateKey;
const key = ed25519();
const keys = [createPublicKey(key)];
const links = chain(key, 4);
const texts = links.map(({ text }) => text);

const brokenAt = (changed: readonly string[], expected = {}): [number, string] | 'ok' => {
  const verdict = verifyChain(changed, keys, expected);
  return verdict.ok ? 'ok' : [verdict.broken.round, verdict.broken.message];
};

test('a good chain, and what it ends with', () => {
  const head = sha256Hex(texts[3]!);
  expect(verifyChain(texts, keys)).toEqual({ ok: true, rounds: 4, head });
  expect(verifyChain(texts, keys, { run: 'mails', rounds: 4, head })).toMatchObject({ ok: true });
  expect(verifyChain([], keys)).toEqual({ ok: true, rounds: 0, head: null });
  expect(links[1]!.manifest.previous).toBe(sha256Hex(texts[0]!));
});

test('the same chain signed again is the same, to the byte', () => {
  expect(chain(key, 4).map(({ text }) => text)).toEqual(texts);
});

test('any single bit changed in any file is found, in that file', () => {
  fc.assert(
    fc.property(fc.nat(3), fc.nat(), fc.nat(7), (index, place, bit) => {
      const bytes = Buffer.from(texts[index]!);
      bytes[place % bytes.length]! ^= 1 << bit;
      // A reader of files refuses what is no UTF-8 before it comes here (round-files.ts).
      const text = bytes.toString('latin1');
      expect(brokenAt(texts.with(index, text))).toEqual([index + 1, expect.any(String)]);
    }),
    { numRuns: 2000 },
  );
});

describe('whole links', () => {
  const other = ed25519();
  const old = (stale: { readonly version: number; readonly sha256: string }) => ({
    ...roundBody(2).updates[0]!,
    stale: { ...stale, scale: 0.5 },
  });
  const resealed = (changes: object, by = key) => sealRound(roundBody(2, changes), links[0]!, by).text;
  test.each([
    ['removed at the start', texts.slice(1), 1, /this is the manifest of round 2/],
    ['removed in the middle', texts.toSpliced(1, 1), 2, /this is the manifest of round 3/],
    ['exchanged', [texts[0]!, texts[2]!, texts[1]!, texts[3]!], 2, /round 3/],
    ['twice', texts.toSpliced(1, 0, texts[0]!), 2, /round 1/],
    ['replaced by another that was signed too', texts.with(1, resealed({ publishedMs: 1 })), 3, /SHA-256/],
    ['signed by a key that is not trusted', texts.with(1, resealed({}, other)), 2, /not among the 1/],
    ['of another run', texts.with(1, resealed({ run: 'other' })), 2, /run other, not of mails/],
    ['with another specification', texts.with(1, resealed({ spec: sha256Hex('x') })), 2, /spec differs/],
    [
      'that began with an adapter that nobody published',
      texts.with(1, resealed({ reference: { version: 1, sha256: sha256Hex('forged') } })),
      2,
      /published was/,
    ],
    [
      'with an old update of a version that nobody published',
      texts.with(1, resealed({ updates: [old({ version: 0, sha256: sha256Hex('forged') })] })),
      2,
      /update of a began with version 0 as .* published was/,
    ],
    [
      'with an old update that is not old',
      texts.with(1, resealed({ updates: [old(links[0]!.manifest.result)] })),
      2,
      /which is not an older one/,
    ],
    [
      'that publishes a version again',
      texts.with(1, resealed({ result: links[0]!.manifest.result })),
      2,
      /there before/,
    ],
    [
      'that begins in the future',
      texts.with(1, resealed({ reference: { version: 7, sha256: sha256Hex('x') } })),
      2,
      /no round before/,
    ],
  ])('%s', (_label, changed, round, message) => {
    expect(brokenAt(changed)).toEqual([round, expect.stringMatching(message)]);
  });

  test('missing at the end: only what is known from elsewhere tells', () => {
    const cut = texts.slice(0, 3);
    expect(brokenAt(cut)).toBe('ok');
    expect(brokenAt(cut, { rounds: 4 })).toEqual([
      4,
      expect.stringMatching(/ends after round 3; there were 4/),
    ]);
    expect(brokenAt(cut, { head: links[3]!.sha256 })).toEqual([4, expect.stringMatching(/expected/)]);
    expect(brokenAt(texts, { run: 'other' })).toEqual([1, expect.stringMatching(/not of other/)]);
  });

  test('with a forged signature: changed by somebody without the key, hashes made to fit', () => {
    const { manifest, signature } = links[1]!;
    const forged = canonicalJson({ manifest: { ...manifest, updates: [] }, signature });
    expect(brokenAt(texts.with(1, forged))).toEqual([2, expect.stringMatching(/forged/)]);
  });
});

test('a round that began with an older version (rolled back) is fine', () => {
  const rolled = chain(key, 4, (body) =>
    body.round === 4 ? { ...body, reference: links[1]!.manifest.result } : body,
  );
  expect(brokenAt(rolled.map(({ text }) => text))).toBe('ok');
});

test('ECDSA P-256 signs too, and a new key can take over from an old one', () => {
  const next = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const fifth = sealRound(roundBody(5), links[3]!, next);
  expect(verifyChain([...texts, fifth.text], [...keys, createPublicKey(next)])).toMatchObject({ ok: true });
  expect(verifyChain([...texts, fifth.text], keys)).toMatchObject({
    ok: false,
    broken: { round: 5, code: 'unauthenticated' },
  });
});

test('a manifest that cannot be one is not signed', () => {
  const seal = (changes: object) => codeOf(() => sealRound(roundBody(1, changes), null, key));
  for (const bad of [
    { round: 0 },
    { spec: 'x' },
    { more: 1 },
    { aggregation: { method: '' } },
    { startedMs: 0.5 },
  ])
    expect(seal(bad)).toBe('manifest_invalid');
  const undefinedOption = { ...roundBody(1).aggregation, options: { lambda: undefined } };
  expect(seal({ aggregation: undefinedOption })).toBe('manifest_invalid');
  expect(
    codeOf(() =>
      sealRound(roundBody(1), null, generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey),
    ),
  ).toBe('option_invalid');
});

test('an update of an older version that the chain published is as good as any', () => {
  const stale = { ...roundBody(1).reference, scale: 0.5 };
  const with2 = chain(key, 3, (body) =>
    body.round === 3 ? { ...body, updates: body.updates.map((update) => ({ ...update, stale })) } : body,
  );
  expect(brokenAt(with2.map(({ text }) => text))).toBe('ok');
});
