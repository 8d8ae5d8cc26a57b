import { randomUUID } from 'node:crypto';
import { closeSync, ftruncateSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PrefixCacheOptions } from '../session-types.js';

/** Where activations are kept by example: a cache of one session, or a file that a whole study shares. */
export interface ActivationStore {
  /** Whether something found no room. */
  readonly full: boolean;
  has(key: string): boolean;
  get(key: string): Float32Array | undefined;
  /** May keep the array itself, or nothing. */
  set(key: string, values: Float32Array): void;
  close(): void;
}

type Place = { readonly values: Float32Array } | { readonly offset: number; readonly length: number };

/**
 * Activations by example, in memory and then in a file, up to the bytes allowed. What comes first stays: epochs ask for all examples in
 * turn, and forgetting the least recent one would forget each just before it is asked for.
 */
export class ActivationCache implements ActivationStore {
  readonly #places = new Map<string, Place>();
  readonly #options: PrefixCacheOptions;
  #memory = 0;
  #disk = 0;
  #full = false;
  #file: { readonly path: string; readonly descriptor: number } | undefined;

  constructor(options: PrefixCacheOptions) {
    this.#options = options;
  }

  /** How many examples are kept. */
  get size(): number {
    return this.#places.size;
  }

  /** Whether something found no room. */
  get full(): boolean {
    return this.#full;
  }

  has(key: string): boolean {
    return this.#places.has(key);
  }

  get(key: string): Float32Array | undefined {
    const place = this.#places.get(key);
    if (place === undefined || 'values' in place) return place?.values;
    const values = new Float32Array(place.length);
    const read = readSync(this.#open(), values, 0, values.byteLength, place.offset);
    return read === values.byteLength ? values : undefined;
  }

  /** Keeps the array itself where there is room. */
  set(key: string, values: Float32Array): void {
    if (this.#places.has(key)) return;
    const bytes = values.byteLength;
    if (this.#memory + bytes <= this.#options.memoryBytes) {
      this.#memory += bytes;
      this.#places.set(key, { values });
    } else if (this.#disk + bytes <= (this.#options.diskBytes ?? 0)) {
      writeSync(this.#open(), values, 0, bytes, this.#disk);
      this.#places.set(key, { offset: this.#disk, length: values.length });
      this.#disk += bytes;
    } else this.#full = true;
  }

  close(): void {
    this.#places.clear();
    this.#memory = this.#disk = 0;
    this.#full = false;
    if (this.#file === undefined) return;
    ftruncateSync(this.#file.descriptor);
    closeSync(this.#file.descriptor);
    rmSync(this.#file.path, { force: true });
    this.#file = undefined;
  }

  #open(): number {
    if (this.#file === undefined) {
      const path = join(this.#options.folder ?? tmpdir(), `fedrot-activations-${randomUUID()}`);
      this.#file = { path, descriptor: openSync(path, 'wx+', 0o600) };
    }
    return this.#file.descriptor;
  }
}
