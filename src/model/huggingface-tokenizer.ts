import { Tokenizer } from '@huggingface/tokenizers';
import { FedrotError } from '../errors.js';

/**
 * What is used of @huggingface/tokenizers. Declared here because its own declarations (0.2.0) leave out the
 * file extensions that Node's module resolution asks for, so that TypeScript cannot read them.
 */
export interface HuggingFaceTokenizer {
  readonly model: { readonly unk_token_id?: number | undefined };
  readonly post_processor: {
    post_process(
      first: readonly string[],
      second: readonly string[] | null,
      addSpecialTokens: boolean,
    ): { readonly tokens: readonly string[]; readonly token_type_ids?: readonly number[] };
  } | null;
  tokenize(text: string, options: { readonly add_special_tokens: boolean }): readonly string[];
  /** By token, added tokens included. */
  get_vocab(): ReadonlyMap<string, number>;
  token_to_id(token: string): number | undefined;
  decode(ids: readonly number[], options: { readonly skip_special_tokens: boolean }): string;
}

const construct = Tokenizer as unknown as new (definition: object, config: object) => HuggingFaceTokenizer;

/**
 * From the contents of tokenizer.json and tokenizer_config.json. Throws file_invalid for what the library
 * cannot read.
 */
export function huggingFaceTokenizer(definition: object, config: object): HuggingFaceTokenizer {
  try {
    return new construct(definition, config);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FedrotError('file_invalid', `tokenizer.json: ${reason}`, { cause });
  }
}
