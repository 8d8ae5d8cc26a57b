import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { FedrotError } from '../errors.js';
import { huggingFaceTokenizer, type HuggingFaceTokenizer } from './huggingface-tokenizer.js';
import { readJsonObject } from './json-file.js';
import { textPieces } from './text-pieces.js';
import { longestFirst } from './truncation.js';

export const TOKENIZER_FILE = 'tokenizer.json';
export const TOKENIZER_CONFIG_FILE = 'tokenizer_config.json';

/** One example as token ids, special tokens included, nothing padded. */
export interface Encoding {
  readonly ids: readonly number[];
  /** Which of the two texts a token belongs to, as the model counts them; the same length as ids. */
  readonly typeIds: readonly number[];
}

export interface EncodeOptions {
  /** The second text of a pair. */
  readonly pair?: string | undefined;
  /**
   * At most so many tokens, special tokens included; the rest of the text is cut off (longest first in a
   * pair).
   */
  readonly maxTokens: number;
}

/** Characters of text that are tokenized for each token wanted, before looking whether it was enough. */
const CHARACTERS_PER_TOKEN = 6;
/**
 * The last tokens before a cut are not trusted: a model without word boundaries might have merged across it.
 */
const SPARE_TOKENS = 8;

/**
 * Hugging Face's tokenizer.json in pure JavaScript (@huggingface/tokenizers). Truncation and padding settings
 * inside the file are not used: the run says how many tokens a text is cut to, and a batch is padded to its
 * longest row.
 */
export class TextTokenizer {
  readonly #tokenizer: HuggingFaceTokenizer;
  readonly #unknownId: number | undefined;

  private constructor(
    tokenizer: HuggingFaceTokenizer,
    /** What fills the rows of a batch behind their last token. */
    readonly padId: number,
  ) {
    this.#tokenizer = tokenizer;
    this.#unknownId = tokenizer.model.unk_token_id;
  }

  /**
   * Reads tokenizer.json and, where it is there, tokenizer_config.json of a folder. `padId` is the model's
   * pad_token_id, used where the files name no padding token; 0 where that is missing too (padding is masked
   * out). Throws not_found or file_invalid.
   */
  static open(folder: string, options: { readonly padId?: number | undefined } = {}): Promise<TextTokenizer> {
    return TextTokenizer.openFile(join(folder, TOKENIZER_FILE), options);
  }

  /** The same of a tokenizer.json with any name; tokenizer_config.json lies beside it. */
  static async openFile(
    file: string,
    options: { readonly padId?: number | undefined } = {},
  ): Promise<TextTokenizer> {
    const configPath = join(dirname(file), TOKENIZER_CONFIG_FILE);
    const definition = await readJsonObject(file);
    const config = existsSync(configPath) ? await readJsonObject(configPath) : {};
    return TextTokenizer.of(definition, config, options);
  }

  /**
   * From the contents of tokenizer.json and tokenizer_config.json. Throws file_invalid for what the library
   * cannot read.
   */
  static of(
    definition: Readonly<Record<string, unknown>>,
    config: Readonly<Record<string, unknown>> = {},
    options: { readonly padId?: number | undefined } = {},
  ): TextTokenizer {
    const tokenizer = huggingFaceTokenizer(definition, config);
    const named = padTokenId(definition, config, tokenizer);
    return new TextTokenizer(tokenizer, named ?? options.padId ?? 0);
  }

  /** One more than the largest token id. */
  get vocabulary(): number {
    let largest = -1;
    for (const id of this.#tokenizer.get_vocab().values()) largest = Math.max(largest, id);
    return largest + 1;
  }

  /** Special tokens that a single text, or a pair, gets. */
  specialTokens(pair: boolean): number {
    return this.#assemble([], pair ? [] : undefined).tokens.length;
  }

  /**
   * Throws option_invalid where maxTokens leaves no room for text, data_invalid for a character the
   * vocabulary cannot express.
   */
  encode(text: string, { pair, maxTokens }: EncodeOptions): Encoding {
    const budget = maxTokens - this.specialTokens(pair !== undefined);
    if (!Number.isInteger(maxTokens) || budget < 1)
      throw new FedrotError(
        'option_invalid',
        `maxTokens ${maxTokens}: must be an integer of at least ${maxTokens - budget + 1}, the special tokens and one more`,
      );
    const first = this.#firstTokens(text, budget);
    const second = pair === undefined ? undefined : this.#firstTokens(pair, budget);
    const kept = longestFirst(first.length, second?.length ?? 0, budget);
    const { tokens, typeIds } = this.#assemble(first.slice(0, kept.first), second?.slice(0, kept.second));
    return { ids: tokens.map((token) => this.#id(token)), typeIds };
  }

  /** Ids of a text alone: no special tokens, nothing cut off. Throws data_invalid as encode does. */
  ids(text: string): number[] {
    const { marksWords } = this;
    return textPieces(text).flatMap((piece, index) => {
      // The sign that such a vocabulary puts before a text stands for the space that the cut left out.
      const own = index === 0 || marksWords ? piece : ` ${piece}`;
      return this.#tokenize(own).map((token) => this.#id(token));
    });
  }

  /**
   * How a text begins: the special tokens that come before it, then its own. What the tokenizer puts behind a text is left
   * out, so that it can be continued.
   */
  startOf(text: string): number[] {
    return [...this.#before, ...this.ids(text)];
  }

  /** Ids with the special tokens of a single text around them. */
  frame(ids: readonly number[]): Encoding {
    const probe = this.#probe;
    const { tokens } = this.#assemble([probe], undefined);
    const at = tokens.indexOf(probe);
    const around = (part: readonly string[]): number[] => part.map((token) => this.#id(token));
    const framed = [...around(tokens.slice(0, at)), ...ids, ...around(tokens.slice(at + 1))];
    return { ids: framed, typeIds: framed.map(() => 0) };
  }

  /** Whether a text's first word already has the sign of a space before it (SentencePiece's ▁). */
  get marksWords(): boolean {
    return this.#probe.startsWith('▁');
  }

  /** The text of ids, special tokens left out. No ids are the empty text. */
  decode(ids: readonly number[]): string {
    return ids.length === 0 ? '' : this.#tokenizer.decode(ids, { skip_special_tokens: true });
  }

  /** Special tokens before a single text. */
  get #before(): number[] {
    const probe = this.#probe;
    const { tokens } = this.#assemble([probe], undefined);
    return tokens.slice(0, tokens.indexOf(probe)).map((token) => this.#id(token));
  }

  /** Any token of a text, to see what is put around it. */
  get #probe(): string {
    return this.#tokenize('a')[0] ?? '';
  }

  #id(token: string): number {
    const id = this.#tokenizer.token_to_id(token) ?? this.#unknownId;
    if (id === undefined)
      throw new FedrotError(
        'data_invalid',
        'a text holds a character that the tokenizer cannot express and for which it has no unknown token',
      );
    return id;
  }

  /**
   * At least the first `count` tokens of a text, or all it has. A long text is not tokenized to its end: a
   * prefix that ends before white space has the same first tokens, so the time is bounded by `count`, not by
   * the length of the text.
   */
  #firstTokens(text: string, count: number): readonly string[] {
    for (let limit = CHARACTERS_PER_TOKEN * (count + SPARE_TOKENS); limit < text.length; limit *= 2) {
      const end = wordEnd(text, limit);
      if (end === undefined) continue;
      const tokens = this.#tokenize(text.slice(0, end));
      if (tokens.length >= count + SPARE_TOKENS) return tokens;
    }
    return this.#tokenize(text);
  }

  #tokenize(text: string): readonly string[] {
    return this.#tokenizer.tokenize(text, { add_special_tokens: false });
  }

  /** One or two lists of tokens with the special tokens around them. */
  #assemble(
    first: readonly string[],
    second: readonly string[] | undefined,
  ): { readonly tokens: readonly string[]; readonly typeIds: readonly number[] } {
    const processor = this.#tokenizer.post_processor;
    const plain = [...first, ...(second ?? [])];
    if (processor === null) return { tokens: plain, typeIds: plain.map(() => 0) };
    const { tokens, token_type_ids } = processor.post_process(first, second ?? null, true);
    return { tokens, typeIds: token_type_ids ?? tokens.map(() => 0) };
  }
}

/** Where the last word that begins before `limit` ends: before the first of the white space behind it. */
function wordEnd(text: string, limit: number): number | undefined {
  const isSpace = (at: number): boolean => ' \n\t\r'.includes(text.charAt(at));
  let end = limit;
  while (end > limit / 2 && !isSpace(end)) end--;
  while (end > limit / 2 && isSpace(end - 1)) end--;
  return end > limit / 2 ? end : undefined;
}

/** The id of the padding token that the tokenizer's files name. */
function padTokenId(
  definition: Readonly<Record<string, unknown>>,
  config: Readonly<Record<string, unknown>>,
  tokenizer: HuggingFaceTokenizer,
): number | undefined {
  const named: unknown = config.pad_token;
  const content = typeof named === 'object' && named !== null && 'content' in named ? named.content : named;
  if (typeof content === 'string') return tokenizer.token_to_id(content);
  const padding = definition.padding;
  if (typeof padding === 'object' && padding !== null && 'pad_id' in padding)
    return typeof padding.pad_id === 'number' ? padding.pad_id : undefined;
  return undefined;
}
