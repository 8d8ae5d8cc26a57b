import { FedrotError } from '../../errors.js';

/** A piece of a SentencePiece vocabulary as llama2.c keeps it: its bytes, and the score that merging it has. */
interface Piece {
  readonly text: string;
  readonly score: number;
}

/** Ids of Llama's vocabulary: unknown, begin, end, then the 256 bytes. */
const SPECIAL = ['<unk>', '<s>', '</s>'] as const;
const FIRST_BYTE = SPECIAL.length;
const FIRST_WORD = FIRST_BYTE + 256;
/** SentencePiece's sign for a space. */
const SPACE = '▁';

/** int32 longest piece, then for each piece: float32 score, int32 bytes, the bytes (llama2.c, tokenizer.py: export). */
function readPieces(bytes: Uint8Array, where: string): Piece[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = new TextDecoder();
  const pieces: Piece[] = [];
  for (let at = 4; at < bytes.length;) {
    const length = at + 8 <= bytes.length ? view.getInt32(at + 4, true) : -1;
    if (length < 0 || at + 8 + length > bytes.length)
      throw new FedrotError(
        'file_invalid',
        `${where}: is no llama2.c tokenizer: piece ${pieces.length} is cut off`,
      );
    pieces.push({
      score: view.getFloat32(at, true),
      text: text.decode(bytes.subarray(at + 8, at + 8 + length)),
    });
    at += 8 + length;
  }
  if (pieces.length < FIRST_WORD)
    throw new FedrotError(
      'file_invalid',
      `${where}: is no llama2.c tokenizer: ${pieces.length} pieces, but the bytes alone are ${FIRST_WORD}`,
    );
  return pieces;
}

/** The vocabulary's spelling in tokenizer.json. */
function spelling({ text }: Piece, id: number): string {
  const special = SPECIAL[id];
  if (special !== undefined) return special;
  if (id < FIRST_WORD) return `<0x${(id - FIRST_BYTE).toString(16).toUpperCase().padStart(2, '0')}>`;
  return text.replaceAll(' ', SPACE);
}

/**
 * SentencePiece joins the two neighbours whose piece has the highest score; tokenizer.json lists pairs in that order. Every
 * way to cut a piece in two pieces is a pair (transformers, SentencePieceExtractor).
 */
function mergesOf(words: readonly string[], pieces: readonly Piece[]): [string, string][] {
  const ids = new Map(words.map((word, id) => [word, id]));
  const merges: {
    readonly pair: [string, string];
    readonly score: number;
    readonly order: readonly number[];
  }[] = [];
  for (let id = FIRST_WORD; id < words.length; id++) {
    const characters = Array.from(words[id] ?? '');
    for (let cut = 1; cut < characters.length; cut++) {
      const pair: [string, string] = [characters.slice(0, cut).join(''), characters.slice(cut).join('')];
      const [left, right] = pair.map((part) => ids.get(part));
      if (left === undefined || right === undefined) continue;
      merges.push({ pair, score: pieces[id]?.score ?? 0, order: [left, right] });
    }
  }
  const compare = (a: readonly number[], b: readonly number[]): number =>
    (a[0] ?? 0) - (b[0] ?? 0) || (a[1] ?? 0) - (b[1] ?? 0);
  merges.sort((a, b) => b.score - a.score || compare(a.order, b.order));
  return merges.map(({ pair }) => pair);
}

/**
 * llama2.c's tokenizer.bin as tokenizer.json: byte-fallback BPE over text whose spaces are ▁, with one before the first
 * word; encoding puts <s> first. Throws file_invalid.
 */
export function llama2cTokenizer(bytes: Uint8Array, where = 'tokenizer.bin'): Record<string, unknown> {
  const pieces = readPieces(bytes, where);
  const words = pieces.map(spelling);
  const begin = { SpecialToken: { id: '<s>', type_id: 0 } };
  const text = (id: 'A' | 'B', type: number): object => ({ Sequence: { id, type_id: type } });
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: SPECIAL.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'Prepend', prepend: SPACE },
        { type: 'Replace', pattern: { String: ' ' }, content: SPACE },
      ],
    },
    pre_tokenizer: null,
    post_processor: {
      type: 'TemplateProcessing',
      single: [begin, text('A', 0)],
      pair: [begin, text('A', 0), { SpecialToken: { id: '<s>', type_id: 1 } }, text('B', 1)],
      special_tokens: { '<s>': { id: '<s>', ids: [1], tokens: ['<s>'] } },
    },
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: SPACE }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        { type: 'Strip', content: ' ', start: 1, stop: 0 },
      ],
    },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: '<unk>',
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: true,
      byte_fallback: true,
      ignore_merges: false,
      vocab: Object.fromEntries(words.map((word, id) => [word, id])),
      merges: mergesOf(words, pieces),
    },
  };
}

/** tokenizer_config.json beside it. */
export const LLAMA2C_TOKENIZER_CONFIG = {
  tokenizer_class: 'LlamaTokenizer',
  bos_token: '<s>',
  eos_token: '</s>',
  unk_token: '<unk>',
  clean_up_tokenization_spaces: false,
  legacy: true,
} as const;
