/**
 * Aggregations go first: a flag in shared memory says how many are under way, and whoever measures waits for it between one
 * module and the next. In the worker it blocks its thread, which costs no processor time.
 */
export class RightOfWay {
  readonly #busy: Int32Array;

  constructor(readonly memory = new SharedArrayBuffer(4)) {
    this.#busy = new Int32Array(memory);
  }

  take(): void {
    Atomics.add(this.#busy, 0, 1);
  }

  leave(): void {
    if (Atomics.sub(this.#busy, 0, 1) === 1) Atomics.notify(this.#busy, 0);
  }

  /** Blocks the thread while somebody has it. */
  wait(): void {
    for (let now = Atomics.load(this.#busy, 0); now > 0; now = Atomics.load(this.#busy, 0))
      Atomics.wait(this.#busy, 0, now);
  }
}
