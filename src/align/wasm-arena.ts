/** As much of a WebAssembly memory as is used here; neither ES2023's nor Node's types have it. */
export interface WasmMemory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}

export const upTo = (count: number, multiple: number): number => Math.ceil(count / multiple) * multiple;

/** What is kept in the module's memory beyond a call: where it begins, a multiple of 16. */
export interface Kept {
  readonly at: number;
  readonly end: number;
  free: boolean;
}

/** The module's memory, grown as it is needed and never shrunk; one for the thread. What is kept lies below what a call works with. */
export class Arena {
  #f32: Float32Array = new Float32Array(0);
  #f64: Float64Array = new Float64Array(0);
  readonly #kept: Kept[] = [];

  constructor(
    readonly memory: WasmMemory,
    /** Below it lies what the compiler keeps there. A multiple of 16. */
    readonly base: number,
  ) {}

  get #keptEnd(): number {
    return this.#kept.at(-1)?.end ?? this.base;
  }

  /** Room that is another's until `release`. */
  keep(bytes: number): Kept {
    const at = this.#keptEnd;
    const kept = { at, end: at + upTo(bytes, 16), free: false };
    this.#kept.push(kept);
    this.#reach(kept.end);
    return kept;
  }

  /** Its room is used again when what was kept after it has been released too. */
  release(kept: Kept): void {
    kept.free = true;
    while (this.#kept.at(-1)?.free === true) this.#kept.pop();
  }

  /** Room for parts of so many bytes until the next call: where each begins, a multiple of 16. */
  reserve<const Sizes extends readonly number[]>(...bytes: Sizes): { -readonly [K in keyof Sizes]: number } {
    let end = this.#keptEnd;
    const begins = bytes.map((size) => {
      const begin = end;
      end += upTo(size, 16);
      return begin;
    });
    this.#reach(end);
    return begins as { -readonly [K in keyof Sizes]: number };
  }

  #reach(end: number): void {
    const missing = end - this.memory.buffer.byteLength;
    if (missing > 0) this.memory.grow(Math.ceil(missing / 65_536));
    if (this.#f32.buffer === this.memory.buffer) return;
    this.#f32 = new Float32Array(this.memory.buffer);
    this.#f64 = new Float64Array(this.memory.buffer);
  }

  get f32(): Float32Array {
    return this.#f32;
  }

  get f64(): Float64Array {
    return this.#f64;
  }

  /** Columns `from` to `from + width` of so many rows of length n, `stride` apart; zeros behind them up to `filled` columns. */
  put(
    at: number,
    x: Float32Array,
    rows: number,
    n: number,
    from: number,
    width: number,
    stride: number,
    filled: number,
  ): void {
    if (width === n && stride === n)
      this.#f32.set(x.length === rows * n ? x : x.subarray(0, rows * n), at / 4);
    else
      for (let row = 0; row < rows; row++) {
        const to = at / 4 + row * stride;
        this.#f32.set(x.subarray(row * n + from, row * n + from + width), to);
        this.#f32.fill(0, to + width, to + filled);
      }
  }
}
