/** As much of a WebAssembly memory as is used here; neither ES2023's nor Node's types have it. */
export interface WasmMemory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}

export const upTo = (count: number, multiple: number): number => Math.ceil(count / multiple) * multiple;

/** The module's memory, grown as it is needed; one for the thread, as nothing is kept in it between calls. */
export class Arena {
  #f32: Float32Array = new Float32Array(0);
  #f64: Float64Array = new Float64Array(0);

  constructor(
    readonly memory: WasmMemory,
    /** Below it lies what the compiler keeps there. A multiple of 16. */
    readonly base: number,
  ) {}

  /** Room for parts of so many bytes, one behind the other from `base`: where each begins, a multiple of 16. */
  reserve<const Sizes extends readonly number[]>(...bytes: Sizes): { -readonly [K in keyof Sizes]: number } {
    let end = this.base;
    const begins = bytes.map((size) => {
      const begin = end;
      end += upTo(size, 16);
      return begin;
    });
    const missing = end - this.memory.buffer.byteLength;
    if (missing > 0) this.memory.grow(Math.ceil(missing / 65_536));
    if (this.#f32.buffer !== this.memory.buffer) {
      this.#f32 = new Float32Array(this.memory.buffer);
      this.#f64 = new Float64Array(this.memory.buffer);
    }
    return begins as { -readonly [K in keyof Sizes]: number };
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
