import { setImmediate } from 'node:timers/promises';
import { FedrotError } from '../../errors.js';
import { makeInputs } from '../../model/batch.js';
import type { Bundle } from '../../model/bundle.js';
import type { Encoding, TextTokenizer } from '../../model/tokenizer.js';
import type { Batch } from '../../train/session-types.js';
import type { Example } from '../data/example.js';

/** Examples that are tokenized before other work of the process gets its turn. */
const SLICE = 64;

/** Examples as a model's tokens, tokenized when they are first needed and kept for the rounds that follow. */
export class EncodedExamples {
  readonly #encodings: (Encoding | undefined)[];

  constructor(
    private readonly examples: readonly Example[],
    private readonly bundle: Bundle,
    private readonly tokenizer: TextTokenizer,
    private readonly maxTokens: number,
  ) {
    this.#encodings = new Array<Encoding | undefined>(examples.length);
  }

  get count(): number {
    return this.examples.length;
  }

  /** Tokens of an example, special tokens included. */
  lengthOf(index: number): number {
    return this.#encoding(index).ids.length;
  }

  /** Tokenizes everything, and lets the process do other things meanwhile. */
  async encodeAll(signal?: AbortSignal): Promise<void> {
    for (let index = 0; index < this.count; index++) {
      this.#encoding(index);
      if (index % SLICE !== SLICE - 1) continue;
      await setImmediate();
      if (signal?.aborted === true) throw new FedrotError('cancelled', 'the task was cancelled');
    }
  }

  /** All indices, the shortest example first. */
  byLength(): number[] {
    const indices = Array.from({ length: this.count }, (_, index) => index);
    return indices.sort((a, b) => this.lengthOf(a) - this.lengthOf(b));
  }

  /** Examples as a batch of the model's inputs; `classes` are the class indices of all examples. */
  batch(indices: readonly number[], classes: Int32Array): Batch {
    return {
      inputs: makeInputs(
        indices.map((index) => this.#encoding(index)),
        {
          inputs: this.bundle.manifest.model.inputs.map(({ name }) => name),
          padId: this.tokenizer.padId,
          maxTokens: this.maxTokens,
        },
      ),
      labels: {
        dims: [indices.length],
        data: BigInt64Array.from(indices, (index) => BigInt(classes[index] ?? -100)),
      },
    };
  }

  #encoding(index: number): Encoding {
    const known = this.#encodings[index];
    if (known !== undefined) return known;
    const example = this.examples[index];
    const encoding = this.tokenizer.encode(example?.text ?? '', {
      pair: example?.textPair,
      maxTokens: this.maxTokens,
    });
    this.#encodings[index] = encoding;
    return encoding;
  }
}
