import { describe, expect, it } from 'vitest';
import { makeLabels } from '../../src/model/batch.js';
import { encodeCompletion, encodePlain, type CausalOptions } from '../../src/model/encode-causal.js';
import { encodeWords } from '../../src/model/encode-words.js';
import { TextTokenizer } from '../../src/model/tokenizer.js';
import { TINY_TOKENIZER } from './tiny-bundle.js';

/** WordPiece with [CLS] (2) before and [SEP] (3) behind; words from id 5 on, in this order. */
const WORDS = 'free offer meeting tomorrow cheap now the a of and . ! ? you we win money mail list'.split(
  ' ',
);
const tokenizer = TextTokenizer.of(TINY_TOKENIZER);
const id = (word: string): number => 5 + WORDS.indexOf(word);
const ids = (text: string): number[] => text.split(' ').map(id);
const options: CausalOptions = { maxTokens: 16, endId: 3, prompt: 'mask', longTexts: 'split' };

describe('encodePlain', () => {
  it('predicts every token after the first, the end token too', () => {
    const [row, ...more] = encodePlain(tokenizer, 'you win money', options);
    expect(more).toEqual([]);
    expect(row!.ids).toEqual([2, ...ids('you win money'), 3]);
    expect(row!.labels).toEqual([...ids('you win money'), 3, -100]);
  });

  it('splits a long text so that each token is predicted exactly once, or cuts it', () => {
    const text = 'free offer meeting tomorrow cheap now the a of and';
    const rows = encodePlain(tokenizer, text, { ...options, maxTokens: 5 });
    expect(rows.every((row) => row.ids[0] === 2 && row.ids.length <= 5)).toBe(true);
    expect(rows.flatMap(({ labels }) => labels.filter((label) => label !== -100))).toEqual([...ids(text), 3]);
    const cut = encodePlain(tokenizer, text, { ...options, maxTokens: 5, longTexts: 'cut' });
    expect(cut.map((row) => row.ids)).toEqual([[2, ...ids('free offer meeting tomorrow')]]);
  });

  it('makes nothing of an empty text', () => {
    expect(encodePlain(tokenizer, '', options)).toEqual([]);
  });
});

describe('encodeCompletion', () => {
  it('masks the prompt, or learns it', () => {
    const [row] = encodeCompletion(tokenizer, 'you win', ' money now', options);
    expect(row!.ids).toEqual([2, ...ids('you win money now'), 3]);
    expect(row!.labels).toEqual([-100, -100, ...ids('money now'), 3, -100]);
    const [all] = encodeCompletion(tokenizer, 'you win', ' money now', { ...options, prompt: 'learn' });
    expect(all!.labels).toEqual([...ids('you win money now'), 3, -100]);
  });

  it('cuts the beginning of a long prompt, and the end of a completion that fills more than half', () => {
    const [row] = encodeCompletion(tokenizer, 'free offer meeting tomorrow cheap', ' now', {
      ...options,
      maxTokens: 6,
    });
    expect(row!.ids).toEqual([2, ...ids('meeting tomorrow cheap now'), 3]);
    expect(row!.labels).toEqual([-100, -100, -100, id('now'), 3, -100]);
    const [long] = encodeCompletion(tokenizer, 'free offer meeting', ' now the a of and', {
      ...options,
      maxTokens: 7,
    });
    expect(long!.ids).toEqual([2, ...ids('free offer meeting now the a')]);
  });
});

it('encodeWords gives the class to the first token of a word, and nothing to special tokens', () => {
  const words = [
    { word: 'you', label: 1 },
    { word: 'win money', label: 0 },
    { word: 'now', label: 2 },
  ];
  const row = encodeWords(tokenizer, words, 16);
  expect(row.ids).toEqual([2, ...ids('you win money now'), 3]);
  expect(row.labels).toEqual([-100, 1, 0, -100, 2, -100]);
  expect(encodeWords(tokenizer, words, 5).ids).toEqual([2, ...ids('you win money'), 3]);
});

it('makeLabels gives classes, numbers, or classes by token with −100 behind the row', () => {
  expect(makeLabels([[2], [0]], 'class', 4)).toEqual({ dims: [2], data: BigInt64Array.of(2n, 0n) });
  expect(makeLabels([[0.5], [-1]], 'number', 4)).toEqual({ dims: [2], data: Float32Array.of(0.5, -1) });
  expect(makeLabels([[1, 2], [3]], 'tokens', 3)).toEqual({
    dims: [2, 3],
    data: BigInt64Array.of(1n, 2n, -100n, 3n, -100n, -100n),
  });
});
