import { createHash } from 'node:crypto';
import type { Runtime, RuntimeTensor } from '../ort.js';
import type { Batch, IntTensor, PrefixCacheOptions } from '../session-types.js';
import { ActivationCache, type ActivationStore } from './cache.js';

const MASK = 'attention_mask';

type Feeds = Readonly<Record<string, RuntimeTensor>>;

/** One example of a batch: what it is called in the cache, and how many of its positions count. */
interface Row {
  readonly key: string;
  readonly length: number;
}

/**
 * The prefix's result for a batch, most of it from the cache. Rows are kept without the padding on their right (where the model has an
 * attention_mask), so that they fit batches of other lengths; padding is filled with zeros, which masked positions do not feel.
 */
export class PrefixRunner {
  readonly #cache: ActivationStore;
  readonly #value: string;
  readonly #width: number;
  /** Only fill keeps anything. */
  readonly #ahead: boolean;

  constructor(
    split: { readonly value: string; readonly width: number },
    options: PrefixCacheOptions,
    store: ActivationStore = new ActivationCache(options),
  ) {
    this.#cache = store;
    this.#value = split.value;
    this.#width = split.width;
    this.#ahead = options.fill === 'ahead';
  }

  /** `feeds` are the batch's inputs as the graph takes them; the prefix is run on the rows that are not known, together. */
  async run(batch: Batch, feeds: Feeds, open: () => Promise<Runtime>): Promise<RuntimeTensor> {
    const { rows, count, sequence } = describe(batch);
    const data = new Float32Array(count * sequence * this.#width);
    const unknown: number[] = [];
    rows.forEach(({ key }, row) => {
      const known = this.#cache.get(key);
      if (known === undefined) unknown.push(row);
      else data.set(known, row * sequence * this.#width);
    });
    for (const { row, own } of await this.#compute(rows, sequence, unknown, feeds, open)) {
      data.set(own, row * sequence * this.#width);
      if (!this.#ahead) this.#cache.set(rows[row]!.key, own);
    }
    return { type: 'float', dims: [count, sequence, this.#width], data };
  }

  /** Keeps what is not known of a batch yet. False once there is no room. */
  async fill(batch: Batch, feeds: Feeds, open: () => Promise<Runtime>): Promise<boolean> {
    const { rows, sequence } = describe(batch);
    const unknown = rows.flatMap(({ key }, row) => (this.#cache.has(key) ? [] : [row]));
    if (this.#cache.full) return false;
    for (const { row, own } of await this.#compute(rows, sequence, unknown, feeds, open))
      this.#cache.set(rows[row]!.key, own);
    return !this.#cache.full;
  }

  /** The prefix of some rows, each without its padding. */
  async #compute(
    rows: readonly Row[],
    sequence: number,
    wanted: readonly number[],
    feeds: Feeds,
    open: () => Promise<Runtime>,
  ): Promise<{ readonly row: number; readonly own: Float32Array }[]> {
    if (wanted.length === 0) return [];
    const some = Object.fromEntries(
      Object.entries(feeds).map(([name, tensor]) => [name, takeRows(tensor, wanted)]),
    );
    const runtime = await open();
    const computed = (await runtime.run(some, [this.#value]))[this.#value]?.data as Float32Array;
    return wanted.map((row, i) => {
      const from = i * sequence * this.#width;
      return { row, own: computed.slice(from, from + (rows[row]?.length ?? 0) * this.#width) };
    });
  }

  close(): void {
    this.#cache.close();
  }
}

function describe(batch: Batch): { rows: Row[]; count: number; sequence: number } {
  const [count = 0, sequence = 0] = Object.values(batch.inputs)[0]?.dims ?? [];
  return {
    rows: Array.from({ length: count }, (_, row) => describeRow(batch, row, sequence)),
    count,
    sequence,
  };
}

function describeRow({ inputs }: Batch, row: number, sequence: number): Row {
  const part = (tensor: IntTensor, length: number): BigInt64Array =>
    tensor.data.subarray(row * sequence, row * sequence + length);
  const mask = inputs[MASK];
  let length = sequence;
  if (mask !== undefined) while (length > 1 && mask.data[row * sequence + length - 1] === 0n) length--;
  const hash = createHash('sha256');
  for (const name of Object.keys(inputs).sort()) hash.update(`${name}\0`).update(part(inputs[name]!, length));
  return { key: hash.digest('base64'), length };
}

function takeRows({ type, dims, data }: RuntimeTensor, rows: readonly number[]): RuntimeTensor {
  const size = data.length / (dims[0] ?? 1);
  const taken = data.slice(0, rows.length * size);
  rows.forEach((row, i) => {
    // Both have the same element type.
    (taken as Float32Array).set(data.subarray(row * size, (row + 1) * size) as Float32Array, i * size);
  });
  return { type, dims: [rows.length, ...dims.slice(1)], data: taken };
}
