import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TextTokenizer } from '../../src/model/tokenizer.js';
import { MINILM } from './minilm.js';

/**
 * Ids that Hugging Face's own tokenizers (Rust, 0.23.3) gives for the MiniLM package's tokenizer.json,
 * padding off.
 */
const reference = JSON.parse(
  readFileSync(new URL('data/tokenizer-minilm.json', import.meta.url), 'utf8'),
) as {
  single: { text: string; ids: number[] }[];
  truncated: { text: string; maxTokens: number; ids: number[] }[];
  pairs: { first: string; second: string; maxTokens: number; ids: number[]; types: number[] }[];
};

describe('TextTokenizer', () => {
  let tokenizer: TextTokenizer;
  beforeAll(async () => {
    tokenizer = await TextTokenizer.open(MINILM);
  });

  it.each(reference.single)('gives the ids of the reference for $text', ({ text, ids }) => {
    expect(tokenizer.encode(text, { maxTokens: 512 }).ids).toEqual(ids);
  });

  it.each(reference.truncated)('cuts a text to $maxTokens tokens', ({ text, maxTokens, ids }) => {
    const encoding = tokenizer.encode(text, { maxTokens });
    expect(encoding.ids).toEqual(ids);
    expect(encoding.typeIds).toEqual(ids.map(() => 0));
  });

  it.each(reference.pairs)('cuts a pair to $maxTokens tokens', ({ first, second, maxTokens, ids, types }) => {
    const encoding = tokenizer.encode(first, { pair: second, maxTokens });
    expect(encoding.ids).toEqual(ids);
    expect(encoding.typeIds).toEqual(types);
  });

  it('gives a long text the same first tokens as the whole text has', () => {
    const words = [
      'free',
      'offer',
      'antidisestablishmentarianism',
      '\n\n',
      '100%',
      'ünïcödé',
      '...',
      '日本語',
    ];
    const text = Array.from({ length: 5000 }, (_, i) => words[(i * 7 + (i % 11)) % words.length]).join('  ');
    const whole = tokenizer.encode(text, { maxTokens: 1_000_000 }).ids;
    expect(whole.length).toBeGreaterThan(5000);
    for (const maxTokens of [3, 16, 128, 511]) {
      const { ids } = tokenizer.encode(text, { maxTokens });
      expect(ids).toEqual([...whole.slice(0, maxTokens - 1), 102]);
    }
  });

  it('reads a text without white space', () => {
    expect(tokenizer.encode('日本'.repeat(3000), { maxTokens: 20 }).ids).toHaveLength(20);
    expect(tokenizer.encode('x'.repeat(100_000), { maxTokens: 20 }).ids).toEqual([101, 100, 102]);
  });

  it('knows the special tokens and the padding token', () => {
    expect(tokenizer.specialTokens(false)).toBe(2);
    expect(tokenizer.specialTokens(true)).toBe(3);
    expect(tokenizer.padId).toBe(0);
  });

  it('refuses a limit without room for a token', () => {
    expect(() => tokenizer.encode('a', { maxTokens: 2 })).toThrow(
      /maxTokens 2: must be an integer of at least 3/,
    );
    expect(() => tokenizer.encode('a', { pair: 'b', maxTokens: 3 })).toThrow(/at least 4/);
  });

  it('takes the padding token from tokenizer_config.json, then tokenizer.json, then the model', () => {
    const definition = JSON.parse(readFileSync(join(MINILM, 'tokenizer.json'), 'utf8')) as Record<
      string,
      unknown
    >;
    expect(TextTokenizer.of(definition, { pad_token: '[MASK]' }).padId).toBe(103);
    expect(TextTokenizer.of(definition, { pad_token: { content: '[UNK]' } }).padId).toBe(100);
    expect(TextTokenizer.of({ ...definition, padding: null }, {}, { padId: 7 }).padId).toBe(7);
    expect(TextTokenizer.of({ ...definition, padding: null }).padId).toBe(0);
  });

  describe('files that are no tokenizer', () => {
    let folder: string;
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'fedrot-tokenizer-'));
    });
    afterAll(() => rm(folder, { recursive: true }));

    it('says that there is none', async () => {
      await expect(TextTokenizer.open(folder)).rejects.toMatchObject({ code: 'not_found' });
    });

    it('says what is wrong', async () => {
      await writeFile(join(folder, 'tokenizer.json'), '{"model":');
      await expect(TextTokenizer.open(folder)).rejects.toThrow(/tokenizer\.json: not JSON/);
      await writeFile(join(folder, 'tokenizer.json'), '{"model": {}}');
      await expect(TextTokenizer.open(folder)).rejects.toMatchObject({ code: 'file_invalid' });
    });
  });
});
