import { IGNORED_LABEL } from '../train/cross-entropy.js';
import type { LabelledEncoding } from './encode-causal.js';
import type { TextTokenizer } from './tokenizer.js';

/**
 * Words with a class each: the first token of a word has its class, the others and the special tokens −100, as transformers'
 * token classification examples do. Words that do not fit are left out.
 */
export function encodeWords(
  tokenizer: TextTokenizer,
  words: readonly { readonly word: string; readonly label: number }[],
  maxTokens: number,
): LabelledEncoding {
  const ids: number[] = [];
  const labels: number[] = [];
  const room = maxTokens - tokenizer.specialTokens(false);
  for (const [index, { word, label }] of words.entries()) {
    // Byte-level vocabularies mark the space before a word; SentencePiece puts its own sign there.
    const own = tokenizer.ids(index === 0 || tokenizer.marksWords ? word : ` ${word}`);
    if (ids.length + own.length > room) break;
    ids.push(...own);
    labels.push(...own.map((_, at) => (at === 0 ? label : IGNORED_LABEL)));
  }
  const framed = tokenizer.frame(ids);
  const before = tokenizer.startOf('').length;
  const all = framed.ids.map((_, at) => labels[at - before] ?? IGNORED_LABEL);
  return { ...framed, labels: all };
}
