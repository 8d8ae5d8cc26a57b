import { IGNORED_LABEL } from '../train/cross-entropy.js';
import type { Encoding, TextTokenizer } from './tokenizer.js';

/** An example as tokens, with what is to be learnt from it. */
export interface LabelledEncoding extends Encoding {
  /** Per token: its class, or the token that follows it; −100 where nothing is learnt. */
  readonly labels: readonly number[];
}

export interface CausalOptions {
  /** Of a row, special tokens included. */
  readonly maxTokens: number;
  /** The token that ends a text; undefined where the model has none. */
  readonly endId?: number | undefined;
  /** `mask`: only completions count towards the loss; `learn`: prompts too. */
  readonly prompt: 'mask' | 'learn';
  /** A text of more tokens is `split` into rows, or `cut` to one. */
  readonly longTexts: 'split' | 'cut';
}

/** Label t is the token at t + 1 (`ids` from `learnt` on count); the last token has none to predict. */
function row(ids: readonly number[], learnt: number): LabelledEncoding {
  const labels = ids.map((_, at) => (at + 1 >= learnt ? (ids[at + 1] ?? IGNORED_LABEL) : IGNORED_LABEL));
  return { ids, typeIds: ids.map(() => 0), labels };
}

/**
 * A plain text for a language model: begin tokens, text, end token. Split texts begin every row with the begin tokens, or,
 * where the tokenizer has none, with the last token of the row before, so that each token is predicted once. No rows for an
 * empty text.
 */
export function encodePlain(
  tokenizer: TextTokenizer,
  text: string,
  options: CausalOptions,
): LabelledEncoding[] {
  const { maxTokens, endId, longTexts } = options;
  const own = tokenizer.ids(text);
  if (own.length === 0) return [];
  const begin = tokenizer.startOf('');
  const body = endId === undefined ? own : [...own, endId];
  const rows: LabelledEncoding[] = [];
  const room = maxTokens - begin.length;
  const step = begin.length > 0 ? room : room - 1;
  for (let at = 0; at < body.length; at += step) {
    const ids = [...begin, ...body.slice(at, at + room)];
    // A single token at the end has nothing to predict, and was predicted itself.
    if (ids.length > 1) rows.push(row(ids, 1));
    if (longTexts === 'cut' || at + room >= body.length) break;
  }
  return rows;
}

/**
 * A prompt and its completion in one row: begin tokens, prompt, completion, end token. What does not fit is cut from the
 * end of the completion down to the half of the row, then from the beginning of the prompt. The two are tokenized together,
 * as they will be read; the first token that differs from the prompt's own belongs to the completion.
 */
export function encodeCompletion(
  tokenizer: TextTokenizer,
  prompt: string,
  completion: string,
  options: CausalOptions,
): LabelledEncoding[] {
  const { maxTokens, endId } = options;
  const alone = tokenizer.ids(prompt);
  const whole = tokenizer.ids(prompt + completion);
  const differs = alone.findIndex((id, at) => id !== whole[at]);
  const border = differs < 0 ? alone.length : differs;
  const begin = tokenizer.startOf('');
  const answer = endId === undefined ? whole.slice(border) : [...whole.slice(border), endId];
  const room = maxTokens - begin.length;
  const keptAnswer = answer.slice(0, Math.max(room - border, Math.ceil(room / 2)));
  const keptPrompt = whole.slice(Math.max(0, border - (room - keptAnswer.length)), border);
  const ids = [...begin, ...keptPrompt, ...keptAnswer];
  if (keptAnswer.length === 0 || ids.length < 2) return [];
  return [row(ids, options.prompt === 'mask' ? begin.length + keptPrompt.length : 1)];
}
