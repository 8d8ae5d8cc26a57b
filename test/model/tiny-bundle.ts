import { cp, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createBundle, type CreateBundleOptions, type CreatedBundle } from '../../src/model/create-bundle.js';
import { repoPath } from '../support/repo.js';

const WORDS = 'free offer meeting tomorrow cheap now the a of and . ! ? you we win money mail list'.split(
  ' ',
);

/** A WordPiece tokenizer over a handful of words: 25 ids. */
export const TINY_TOKENIZER = {
  version: '1.0',
  truncation: null,
  padding: null,
  added_tokens: ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'].map((content, id) => ({
    id,
    content,
    special: true,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
  })),
  normalizer: {
    type: 'BertNormalizer',
    clean_text: true,
    handle_chinese_chars: true,
    strip_accents: null,
    lowercase: true,
  },
  pre_tokenizer: { type: 'BertPreTokenizer' },
  post_processor: { type: 'BertProcessing', sep: ['[SEP]', 3], cls: ['[CLS]', 2] },
  decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
  model: {
    type: 'WordPiece',
    unk_token: '[UNK]',
    continuing_subword_prefix: '##',
    max_input_chars_per_word: 100,
    vocab: Object.fromEntries(
      ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', ...WORDS].map((word, id) => [word, id]),
    ),
  },
};

/** A temporary folder with `checkpoint` in it: a tiny random model of that architecture, with a tokenizer. */
export async function tinyCheckpoint(architecture = 'bert'): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'fedrot-bundle-'));
  await cp(repoPath('test/data/checkpoints', architecture), join(folder, 'checkpoint'), { recursive: true });
  await writeFile(join(folder, 'checkpoint/tokenizer.json'), JSON.stringify(TINY_TOKENIZER));
  return folder;
}

/** Makes `<folder>/<name>` from `<folder>/checkpoint`. */
export function tinyBundle(
  folder: string,
  name = 'bundle',
  options: Partial<CreateBundleOptions> = {},
): Promise<CreatedBundle> {
  return createBundle({
    checkpoint: join(folder, 'checkpoint'),
    out: join(folder, name),
    seed: 0,
    ...options,
  });
}
