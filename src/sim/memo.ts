import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { canonicalJson } from '../evidence/canonical-json.js';
import { encodeTensorFile } from '../tensor/encode-file.js';
import { readTensorFile } from '../tensor/read-tensors.js';
import type { NamedTensor } from '../tensor/tensor.js';

export interface WithTensors<T> {
  readonly tensors: readonly NamedTensor[];
  readonly rest: T;
}

/** What the key says determines the result to the last bit: what all methods' first rounds share is computed once. */
export class Memo {
  constructor(private readonly folder: string) {}

  async values<T extends object>(key: object, compute: () => Promise<T>): Promise<T> {
    const path = this.#path(key, 'json');
    if (existsSync(path)) return JSON.parse(readFileSync(path, 'utf8')) as T;
    const result = await compute();
    place(path, JSON.stringify(result));
    return result;
  }

  /** The same for tensors with values beside them. */
  async tensors<T extends object>(
    key: object,
    compute: () => Promise<WithTensors<T>>,
  ): Promise<WithTensors<T>> {
    const path = this.#path(key, 'safetensors');
    const restPath = this.#path(key, 'json');
    if (existsSync(path) && existsSync(restPath)) {
      const rest = JSON.parse(readFileSync(restPath, 'utf8')) as T;
      return { tensors: readTensorFile(path), rest };
    }
    const result = await compute();
    place(path, encodeTensorFile(result.tensors).bytes);
    place(restPath, JSON.stringify(result.rest));
    return result;
  }

  #path(key: object, ending: string): string {
    const json = canonicalJson(JSON.parse(JSON.stringify(key)));
    const name = createHash('sha256').update(json).digest('hex');
    return join(this.folder, name.slice(0, 2), `${name.slice(2, 34)}.${ending}`);
  }
}

function place(path: string, content: string | Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true });
  const partial = `${path}.${process.pid}.${Math.random().toString(36).slice(2)}`;
  writeFileSync(partial, content);
  renameSync(partial, path);
}
