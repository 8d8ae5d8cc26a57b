/**
 * Arrays that were read into before, by length: modules of a model have few sizes, and memory that is new costs more than what is
 * read into it. It holds no more than one module's silos needed at once.
 */
export class ArrayPool {
  readonly #free = new Map<number, Float32Array[]>();

  take(length: number): Float32Array {
    return this.#free.get(length)?.pop() ?? new Float32Array(length);
  }

  /** Nobody uses it any more. */
  give(array: Float32Array): void {
    const free = this.#free.get(array.length);
    if (free) free.push(array);
    else this.#free.set(array.length, [array]);
  }
}

/** What one borrower has of a pool. */
export class Loans {
  readonly #lent = new Set<Float32Array>();

  constructor(private readonly pool: ArrayPool) {}

  readonly take = (length: number): Float32Array => {
    const array = this.pool.take(length);
    this.#lent.add(array);
    return array;
  };

  /** An array that is not the pool's is let be. */
  giveBack(array: Float32Array): void {
    if (this.#lent.delete(array)) this.pool.give(array);
  }

  /** All but those that somebody still uses, or a part of them: these leave the pool. */
  giveBackAllBut(used: readonly Float32Array[]): void {
    for (const array of this.#lent)
      if (!used.some(({ buffer }) => buffer === array.buffer)) this.giveBack(array);
    this.#lent.clear();
  }
}
