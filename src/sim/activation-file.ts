import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import type { ActivationStore } from '../train/prefix/cache.js';

/** By key: where in the file, in bytes, and how many values. */
type Index = Readonly<Record<string, readonly [offset: number, length: number]>>;

/** Writes to a file of its own, which gets its name when everything is there: nobody ever sees a part of it. */
export class ActivationWriter implements ActivationStore {
  readonly #path: string;
  readonly #descriptor: number;
  readonly #index: Record<string, readonly [number, number]> = {};
  #bytes = 0;

  constructor(path: string) {
    mkdirSync(dirname(path), { recursive: true });
    this.#path = path;
    this.#descriptor = openSync(this.#partial, 'w');
  }

  get #partial(): string {
    return `${this.#path}.${process.pid}.partial`;
  }

  readonly full = false;

  has(key: string): boolean {
    return this.#index[key] !== undefined;
  }

  /** Nothing is read back: examples are asked for once while the file is made. */
  get(): undefined {
    return undefined;
  }

  set(key: string, values: Float32Array): void {
    if (this.#index[key] !== undefined) return;
    this.#index[key] = [this.#bytes, values.length];
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    for (let done = 0; done < bytes.length;)
      done += writeSync(this.#descriptor, bytes, done, bytes.length - done, this.#bytes + done);
    this.#bytes += bytes.length;
  }

  /** Gives the file its name. */
  finish(): void {
    closeSync(this.#descriptor);
    writeFileSync(`${this.#partial}.json`, JSON.stringify(this.#index));
    renameSync(this.#partial, this.#path);
    renameSync(`${this.#partial}.json`, indexPath(this.#path));
  }

  close(): void {
    // The file belongs to the study, not to the session.
  }

  abandon(): void {
    closeSync(this.#descriptor);
    rmSync(this.#partial, { force: true });
  }
}

const indexPath = (path: string): string => `${path}.json`;

/** Whether the file is complete. */
export const hasActivations = (path: string): boolean => existsSync(path) && existsSync(indexPath(path));

/** A finished file, for any number of processes. What it lacks is computed anew each time. */
export class ActivationFile implements ActivationStore {
  readonly #descriptor: number;
  readonly #index: ReadonlyMap<string, readonly [number, number]>;

  constructor(path: string) {
    this.#descriptor = openSync(path, 'r');
    this.#index = new Map(Object.entries(JSON.parse(readFileSync(indexPath(path), 'utf8')) as Index));
  }

  readonly full = true;

  has(key: string): boolean {
    return this.#index.has(key);
  }

  get(key: string): Float32Array | undefined {
    const place = this.#index.get(key);
    if (place === undefined) return undefined;
    const [offset, length] = place;
    const values = new Float32Array(length);
    return readSync(this.#descriptor, values, 0, values.byteLength, offset) === values.byteLength
      ? values
      : undefined;
  }

  set(): void {
    // Complete as it is.
  }

  close(): void {
    // Other sessions of this process go on reading.
  }
}
