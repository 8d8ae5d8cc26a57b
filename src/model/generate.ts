import { FedrotError } from '../errors.js';
import { Random } from '../random.js';
import type { LanguageModel } from './language-model.js';
import { sampleToken, type SamplingOptions } from './sample-token.js';
import type { TextTokenizer } from './tokenizer.js';

export interface GenerateOptions extends Partial<SamplingOptions> {
  /** Default 128. Ends earlier at a token that ends a text, or where the model has no more positions. */
  readonly maxNewTokens?: number;
  /** What is drawn derives from it; default 0. */
  readonly seed?: number;
  /** Called with the text so far after every token. */
  readonly onText?: (text: string) => void;
  readonly signal?: AbortSignal;
}

export interface Generated {
  /** Prompt and continuation. */
  readonly text: string;
  /** The continuation alone. */
  readonly completion: string;
  /** How many tokens were made. */
  readonly tokens: number;
  readonly ended: 'end token' | 'length';
}

/**
 * Continues a text: temperature 0 (default) takes the likeliest token each time. Throws option_invalid for options out of
 * range or a prompt that fills the model's positions, cancelled.
 */
export async function generate(
  model: LanguageModel,
  tokenizer: TextTokenizer,
  prompt: string,
  options: GenerateOptions = {},
): Promise<Generated> {
  const { maxNewTokens = 128, temperature = 0, topP = 1, seed = 0, onText, signal } = options;
  check(temperature >= 0, `temperature ${temperature}: must be at least 0`);
  check(topP > 0 && topP <= 1, `topP ${topP}: must be above 0 and at most 1`);
  check(
    Number.isInteger(maxNewTokens) && maxNewTokens >= 1,
    `maxNewTokens ${maxNewTokens}: must be at least 1`,
  );
  const { manifest } = model.bundle;
  const { endIds } = manifest.tokenizer;
  const start = tokenizer.startOf(prompt);
  check(start.length > 0, 'prompt: is empty, and the tokenizer puts no token before a text');
  check(
    start.length < manifest.model.maxTokens,
    `prompt: has ${start.length} tokens; the model has positions for ${manifest.model.maxTokens}`,
  );
  const random = Random.of('generate', seed);
  const ids = [...start];
  const limit = Math.min(start.length + maxNewTokens, manifest.model.maxTokens);
  let ended: Generated['ended'] = 'length';
  while (ids.length < limit) {
    if (signal?.aborted === true) throw new FedrotError('cancelled', 'generation was cancelled');
    const id = sampleToken(await model.next(ids), { temperature, topP }, random);
    if (endIds.includes(id)) {
      ended = 'end token';
      break;
    }
    ids.push(id);
    onText?.(tokenizer.decode(ids));
  }
  const text = tokenizer.decode(ids);
  const known = tokenizer.decode(start);
  const completion = text.startsWith(known)
    ? text.slice(known.length)
    : tokenizer.decode(ids.slice(start.length));
  return { text, completion, tokens: ids.length - start.length, ended };
}

function check(holds: boolean, message: string): void {
  if (!holds) throw new FedrotError('option_invalid', message);
}
