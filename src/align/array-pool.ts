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
