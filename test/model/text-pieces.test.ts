import { describe, expect, it } from 'vitest';
import { huggingFaceTokenizer } from '../../src/model/huggingface-tokenizer.js';
import { readJsonObject } from '../../src/model/json-file.js';
import { textPieces } from '../../src/model/text-pieces.js';
import { TextTokenizer } from '../../src/model/tokenizer.js';
import { Random } from '../../src/random.js';
import { MINILM } from './minilm.js';

const WORDS = [
  'the',
  'other',
  'thesis,',
  'then.',
  '100%',
  '3.5',
  'ünïcödé',
  '日本語',
  '—',
  '(a)',
  "don't",
  'x1',
];
const GAPS = [' ', ' ', ' ', ' ', '  ', '\n', ' \n ', '\t'];

/** Words with a single space between most of them. */
function longText(seed: number, words: number): string {
  const random = Random.of('pieces', seed);
  const pick = (from: readonly string[]): string => from[random.integer(from.length)]!;
  return Array.from({ length: words }, () => `${pick(WORDS)}${pick(GAPS)}`).join('');
}

/** GPT-2's kind: bytes as signs, the space before a word a part of it, some merges. */
const BYTE_LEVEL = (() => {
  const signs = Array.from({ length: 256 }, (_, byte) =>
    String.fromCharCode((byte > 32 && byte < 127) || (byte > 160 && byte !== 173) ? byte : 256 + byte),
  );
  const merges = [
    ['h', 'e'],
    ['t', 'he'],
    ['Ġ', 'the'],
    ['Ġ', 'o'],
    ['Ġthe', 'n'],
  ];
  const tokens = [...signs, 'Ġ', ...merges.map((pair) => pair.join(''))];
  return {
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: null,
    decoder: { type: 'ByteLevel' },
    model: {
      type: 'BPE',
      vocab: Object.fromEntries([...new Set(tokens)].map((token, id) => [token, id])),
      merges: merges.map((pair) => pair.join(' ')),
      unk_token: null,
    },
  };
})();

/** Llama's kind: ▁ before the text and in place of every space, single characters else. */
const SENTENCE_PIECE = {
  added_tokens: [],
  normalizer: {
    type: 'Sequence',
    normalizers: [
      { type: 'Prepend', prepend: '▁' },
      { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
    ],
  },
  pre_tokenizer: null,
  post_processor: null,
  decoder: null,
  model: {
    type: 'BPE',
    vocab: Object.fromEntries(
      [
        ...new Set([
          '<unk>',
          '▁',
          'he',
          'the',
          '▁the',
          ...Array.from(GAPS.join('')),
          ...Array.from(WORDS.join('')),
        ]),
      ].map((token, id) => [token, id]),
    ),
    merges: ['h e', 't he', '▁ the'],
    unk_token: '<unk>',
    fuse_unk: false,
  },
};

describe('a long text in pieces', () => {
  it('is the text again with the spaces between them, in pieces of a thousand characters or a little more', () => {
    for (let seed = 0; seed < 20; seed++) {
      const text = longText(seed, 2000);
      const pieces = textPieces(text);
      expect(pieces.join(' ')).toBe(text);
      expect(pieces.length).toBeGreaterThan(5);
      for (const piece of pieces.slice(0, -1)) expect(piece.length).toBeGreaterThanOrEqual(1000);
    }
    expect(textPieces('')).toEqual([]);
    expect(textPieces('x'.repeat(5000))).toHaveLength(1);
  });

  it.each(['WordPiece', 'byte-level BPE', 'SentencePiece'])(
    'has the tokens of the whole: %s',
    async (kind) => {
      const definition =
        kind === 'WordPiece'
          ? await readJsonObject(`${MINILM}/tokenizer.json`)
          : kind === 'SentencePiece'
            ? SENTENCE_PIECE
            : BYTE_LEVEL;
      const whole = huggingFaceTokenizer(definition, {});
      const tokenizer = TextTokenizer.of(definition);
      for (let seed = 0; seed < 5; seed++) {
        const text = longText(seed, 800);
        expect(textPieces(text).length).toBeGreaterThan(2);
        const tokens = whole.tokenize(text, { add_special_tokens: false });
        expect(tokenizer.ids(text)).toEqual(
          tokens.map((token) => whole.token_to_id(token) ?? whole.model.unk_token_id),
        );
      }
    },
  );
});
