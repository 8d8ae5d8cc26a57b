import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fingerprint, loadCorpus, type Example } from '../../../src/cli/demo/corpus.js';
import { holdOut } from '../../../src/sim/partition/dirichlet.js';

describe('the SpamAssassin corpus', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fedrot-corpus-'));
  let corpus: readonly Example[];
  beforeAll(async () => {
    corpus = await loadCorpus(folder);
  }, 120_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('holds thousands of both labels, ham in the majority', () => {
    const spam = corpus.filter(({ label }) => label === 'spam').length;
    expect(corpus.length).toBeGreaterThan(4500);
    expect(spam).toBeGreaterThan(1000);
    expect(spam).toBeLessThan(corpus.length / 2);
  });

  it('holds no header lines', () => {
    const leaks = corpus.filter(({ text }) =>
      /^(?:from|received|return-path|delivered-to|message-id|subject|x-[a-z-]+|mime-version):/i.test(text),
    );
    expect(leaks.map(({ text }) => text.slice(0, 80))).toEqual([]);
    const routed = corpus.filter(({ text }) => /\bReceived: from \S+ \(/.test(text));
    expect(routed.length).toBeLessThanOrEqual(corpus.length / 1000);
  });

  it('shares no mail between train and test', () => {
    const { train, test } = holdOut(corpus, 600, 1);
    const known = new Set(train.map(({ text }) => fingerprint(text)));
    expect(test.filter(({ text }) => known.has(fingerprint(text)))).toEqual([]);
  });

  it('is the same from the cache', async () => {
    expect(await loadCorpus(folder)).toEqual(corpus);
  });
});
