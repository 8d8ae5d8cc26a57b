import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { encodeTensorFile, tensorInfos } from '../../src/tensor/encode-file.js';
import { TensorFileWriter } from '../../src/tensor/tensor-file-writer.js';
import { hashFileSync, syncFile } from '../../src/tensor/written-file.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fedrot-writer-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const tensors = ['c', 'a', 'b'].map((name, i) => ({
  name,
  shape: [2, i + 1],
  data: Float32Array.from({ length: 2 * (i + 1) }, (_, at) => 10 * i + at),
}));

describe('a tensor file with several writers', () => {
  it('is the canonical file, whoever wrote which tensor when', () => {
    const path = join(folder, 'file');
    const infos = tensorInfos(tensors);
    const writers = [new TensorFileWriter(path, infos), new TensorFileWriter(path, infos)];
    writers[0]!.write(tensors[0]!);
    writers[1]!.write(tensors[2]!);
    writers.push(new TensorFileWriter(path, infos)); // late, when others have written
    writers[2]!.write(tensors[1]!);
    for (const writer of writers) writer.close();
    syncFile(path);
    const { bytes, sha256 } = encodeTensorFile(tensors);
    expect(readFileSync(path)).toEqual(bytes);
    expect(hashFileSync(path)).toEqual({ sha256, bytes: bytes.length });
  });

  it('has no place for what was not announced', () => {
    const writer = new TensorFileWriter(join(folder, 'file'), tensorInfos(tensors));
    expect(() => {
      writer.write({ name: 'd', shape: [1], data: new Float32Array(1) });
    }).toThrow(/tensor d/);
    expect(() => {
      writer.write({ name: 'a', shape: [1], data: new Float32Array(1) });
    }).toThrow(/tensor a: 4 bytes/);
    writer.close();
  });
});
