import { setImmediate } from 'node:timers/promises';
import { FedrotError } from '../../errors.js';
import { makeInputs, makeLabels } from '../../model/batch.js';
import type { Bundle } from '../../model/bundle.js';
import type { LabelledEncoding } from '../../model/encode-causal.js';
import { IGNORED_LABEL } from '../../train/cross-entropy.js';
import type { Batch } from '../../train/session-types.js';
import type { TaskEncoder } from './task-encoder.js';

/** Examples that are tokenized before other work of the process gets its turn. */
const SLICE = 64;

/** Examples as rows of a model's tokens, tokenized when they are first needed and kept for the rounds that follow. */
export class EncodedExamples {
  readonly #rows: (LabelledEncoding | undefined)[];
  /** Whether every row is there: examples may make several rows, or none. */
  #complete: boolean;

  constructor(
    private readonly examples: number,
    private readonly encoder: TaskEncoder,
    private readonly bundle: Bundle,
    private readonly maxTokens: number,
  ) {
    this.#rows = encoder.severalRows ? [] : new Array<LabelledEncoding | undefined>(examples);
    this.#complete = false;
  }

  /** Rows; known for certain once everything is encoded. */
  get count(): number {
    return this.#rows.length;
  }

  /** Tokens of a row, special tokens included. */
  lengthOf(index: number): number {
    return this.#row(index).ids.length;
  }

  /** How many labels of a row count towards the loss. */
  labelsOf(index: number): number {
    return this.#row(index).labels.filter((label) => label !== IGNORED_LABEL).length;
  }

  /** Tokenizes everything, and lets the process do other things meanwhile. Throws cancelled. */
  async encodeAll(signal?: AbortSignal): Promise<void> {
    if (this.#complete) return;
    const all: LabelledEncoding[] = [];
    for (let index = 0; index < this.examples; index++) {
      if (this.encoder.severalRows) all.push(...this.encoder.encode(index));
      else this.#row(index);
      if (index % SLICE !== SLICE - 1) continue;
      await setImmediate();
      if (signal?.aborted === true) throw new FedrotError('cancelled', 'the task was cancelled');
    }
    if (this.encoder.severalRows)
      this.#rows.push(...all.filter(({ labels }) => labels.some((l) => l !== IGNORED_LABEL)));
    this.#complete = true;
  }

  /** What has to be encoded before rows can be counted. */
  async ready(signal?: AbortSignal): Promise<void> {
    if (this.encoder.severalRows) await this.encodeAll(signal);
  }

  /** All indices, the shortest row first. */
  byLength(): number[] {
    const indices = Array.from({ length: this.count }, (_, index) => index);
    return indices.sort((a, b) => this.lengthOf(a) - this.lengthOf(b));
  }

  /** Rows as a batch of the model's inputs, with their labels. */
  batch(indices: readonly number[]): Batch {
    const { model, tokenizer } = this.bundle.manifest;
    const rows = indices.map((index) => this.#row(index));
    const inputs = makeInputs(rows, {
      inputs: model.inputs.map(({ name }) => name),
      padId: tokenizer.padId,
      maxTokens: this.maxTokens,
    });
    const length = Object.values(inputs)[0]?.dims[1] ?? 0;
    return {
      inputs,
      labels: makeLabels(
        rows.map(({ labels }) => labels),
        this.encoder.labels,
        length,
      ),
    };
  }

  #row(index: number): LabelledEncoding {
    const known = this.#rows[index];
    if (known !== undefined) return known;
    const [row] = this.encoder.encode(index);
    if (row === undefined) throw new FedrotError('internal', `example ${index} has no tokens`);
    this.#rows[index] = row;
    return row;
  }
}
