import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openBundle, type Bundle } from '../../../src/model/bundle.js';
import { createBundle } from '../../../src/model/create-bundle.js';
import { generate } from '../../../src/model/generate.js';
import { openLanguageModel, type LanguageModel } from '../../../src/model/language-model.js';
import type { TextTokenizer } from '../../../src/model/tokenizer.js';
import { repoPath } from '../../support/repo.js';

const SOURCE = repoPath('.cache/stories15m');
const missing = existsSync(join(SOURCE, 'model.bin')) ? '' : 'node scripts/stories15m.mjs fetches it';

/** llama2.c's own algorithm (run.c, encode): join the neighbours whose piece scores highest, until none can be joined. */
function referenceEncoder(bytes: Buffer): (text: string) => number[] {
  const ids = new Map<string, number>();
  const scores: number[] = [];
  const pieces: string[] = [];
  for (let at = 4; at < bytes.length;) {
    const length = bytes.readInt32LE(at + 4);
    const piece = bytes.toString('latin1', at + 8, at + 8 + length);
    // The raw bytes 3 to 258 are only fallbacks; a piece of the same byte comes later in the vocabulary.
    if (scores.length >= 259 || scores.length < 3) ids.set(piece, scores.length);
    scores.push(bytes.readFloatLE(at));
    pieces.push(piece);
    at += 8 + length;
  }
  const latin = (text: string): string => Buffer.from(text).toString('latin1');
  return (text) => {
    const tokens = Array.from(` ${text}`).flatMap((character) => {
      const id = ids.get(latin(character));
      return id === undefined ? [...Buffer.from(character)].map((byte) => byte + 3) : [id];
    });
    for (;;) {
      let [best, at, joined] = [-Infinity, -1, 0];
      for (let i = 0; i + 1 < tokens.length; i++) {
        const id = ids.get(pieces[tokens[i]!]! + pieces[tokens[i + 1]!]!);
        if (id !== undefined && scores[id]! > best) [best, at, joined] = [scores[id]!, i, id];
      }
      if (at < 0) return tokens;
      tokens.splice(at, 2, joined);
    }
  };
}

describe.skipIf(missing !== '')(`stories15M from its llama2.c checkpoint (${missing})`, () => {
  let folder: string;
  let bundle: Bundle;
  let model: LanguageModel;
  let tokenizer: TextTokenizer;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fedrot-stories-'));
    const created = await createBundle({
      checkpoint: join(SOURCE, 'model.bin'),
      out: join(folder, 'bundle'),
      seed: 0,
    });
    bundle = await openBundle(created.folder, { verify: true });
    tokenizer = await bundle.openTokenizer();
    model = await openLanguageModel(bundle);
  }, 60_000);
  afterAll(async () => {
    await model.close();
    await rm(folder, { recursive: true });
  });

  it('is described by its manifest', () => {
    expect(bundle.manifest.task.kind).toBe('causal-lm');
    expect(bundle.manifest.model.maxTokens).toBe(256);
    expect(bundle.manifest.tokenizer.endIds).toEqual([2]);
    expect(bundle.manifest.base.architecture).toBe('llama');
  });

  it('tells a story', async () => {
    const { text, tokens } = await generate(model, tokenizer, 'Once upon a time', { maxNewTokens: 40 });
    // What llama2.c itself writes at temperature 0 (its readme).
    expect(text).toBe(
      'Once upon a time, there was a little girl named Lily. She loved to play outside in the sunshine. ' +
        'One day, she saw a big, red ball in the sky. It was the sun!',
    );
    expect(tokens).toBe(40);
  }, 60_000);

  it('draws the same text for the same seed, another for another, and keeps to the nucleus', async () => {
    const draw = async (seed: number, topP: number): Promise<string> =>
      (await generate(model, tokenizer, 'The dog', { maxNewTokens: 12, temperature: 1, topP, seed }))
        .completion;
    const [first, again, other, narrow] = [
      await draw(1, 0.9),
      await draw(1, 0.9),
      await draw(2, 0.9),
      await draw(2, 1e-9),
    ];
    expect(again).toBe(first);
    expect(other).not.toBe(first);
    const { completion } = await generate(model, tokenizer, 'The dog', { maxNewTokens: 12 });
    expect(narrow).toBe(completion);
  }, 60_000);

  it('tokenizes as llama2.c does', async () => {
    const reference = referenceEncoder(await readFile(join(SOURCE, 'tokenizer.bin')));
    for (const text of [
      'Once upon a time, there was a little girl.',
      '  two  spaces, a\nnew line and a\ttab',
      'Grüße aus Köln — naïve café',
      '数学 and 🙂 beyond the basic plane',
      "it's 3.14159, isn't it?",
      'Mr. Speaker, the state of our Union is strong; 12 million jobs… and  more. '.repeat(40),
    ]) {
      expect(tokenizer.encode(text, { maxTokens: 5000 }).ids, text).toEqual([1, ...reference(text)]);
      expect(tokenizer.ids(text), text).toEqual(reference(text));
      expect(tokenizer.decode(tokenizer.ids(text))).toBe(text);
    }
  });
});
