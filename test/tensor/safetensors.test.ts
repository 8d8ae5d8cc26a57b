import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { FedrotError } from '../../src/errors.js';
import { encodeTensorFile } from '../../src/tensor/encode-file.js';
import { openSafetensors, openTensorFile } from '../../src/tensor/safetensors-file.js';
import { MAX_HEADER_BYTES, parseHeader } from '../../src/tensor/safetensors-header.js';
import { codeOf } from '../support/code-of.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'fedrot-safetensors-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

let files = 0;
function write(bytes: Uint8Array): string {
  const path = join(folder, `${files++}.safetensors`);
  writeFileSync(path, bytes);
  return path;
}

/** A file from any header text, with as many payload bytes as asked. */
function fileOf(header: string, payload: number | Uint8Array = 0): Buffer {
  const json = Buffer.from(header);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, typeof payload === 'number' ? Buffer.alloc(payload) : payload]);
}

describe('parseHeader', () => {
  it('reads what other writers make: any order, any dtype, metadata, padding', () => {
    const header = parseHeader(
      fileOf(
        '{"ids":{"data_offsets":[4,20],"dtype":"I64","shape":[2]},"w":{"dtype":"BF16","shape":[2,1],"data_offsets":[0,4]},' +
          '"__metadata__":{"made by":"hand"},"empty":{"dtype":"F32","shape":[0,3],"data_offsets":[20,20]},' +
          '"q":{"dtype":"F4","shape":[2,3],"data_offsets":[20,23]}}   ',
        23,
      ),
    );
    expect(header.metadata).toEqual({ 'made by': 'hand' });
    expect(header.entries.map(({ name, dtype, begin, end }) => [name, dtype, begin, end])).toEqual([
      ['w', 'BF16', 0, 4],
      ['ids', 'I64', 4, 20],
      ['empty', 'F32', 20, 20],
      ['q', 'F4', 20, 23],
    ]);
    expect(header.payloadBytes).toBe(23);
  });

  const one = (entry: string, payload: number): Buffer => fileOf(`{"a":${entry}}`, payload);
  it.each<[string, Uint8Array, RegExp]>([
    ['nothing', new Uint8Array(0), /0 bytes are too few/],
    ['seven bytes', new Uint8Array(7), /7 bytes are too few/],
    ['a header longer than the file', Buffer.from('ff00000000000000', 'hex'), /255 bytes in a file of 8/],
    ['a header of 2^63 bytes', Buffer.from('ffffffffffffffff', 'hex'), /at most 100000000/],
    ['text', Buffer.from('hello, this is no tensor file'), /header/],
    ['broken JSON', fileOf('{"a":'), /not JSON/],
    ['white space first', fileOf(' {}'), /does not begin with/],
    ['an array', fileOf('[]'), /does not begin with/],
    ['bad UTF-8', Buffer.concat([fileOf('{}').subarray(0, 8), Buffer.from([0x7b, 0xff])]), /UTF-8/],
    ['metadata that are no strings', fileOf('{"__metadata__":{"a":1}}'), /map of strings/],
    ['an entry that is no object', one('[]', 0), /not described by an object/],
    [
      'an unknown dtype',
      one('{"dtype":"F99","shape":[1],"data_offsets":[0,4]}', 4),
      /"a" has the unknown dtype "F99"/,
    ],
    [
      'a dtype of Object.prototype',
      one('{"dtype":"constructor","shape":[1],"data_offsets":[0,4]}', 4),
      /unknown dtype/,
    ],
    ['no dtype', one('{"shape":[1],"data_offsets":[0,4]}', 4), /unknown dtype/],
    [
      'a negative dimension',
      one('{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}', 4),
      /no shape of integers/,
    ],
    [
      'a fractional dimension',
      one('{"dtype":"F32","shape":[0.5],"data_offsets":[0,2]}', 2),
      /no shape of integers/,
    ],
    [
      'an overflowing shape',
      one('{"dtype":"F32","shape":[9007199254740991,3],"data_offsets":[0,4]}', 4),
      /too many elements/,
    ],
    ['one offset', one('{"dtype":"F32","shape":[1],"data_offsets":[0]}', 4), /no data_offsets/],
    [
      'offsets backwards',
      one('{"dtype":"F32","shape":[1],"data_offsets":[4,0]}', 4),
      /needs 4 bytes; its offsets span -4/,
    ],
    [
      'too few bytes',
      one('{"dtype":"F32","shape":[2],"data_offsets":[0,4]}', 4),
      /needs 8 bytes; its offsets span 4/,
    ],
    ['half a byte', one('{"dtype":"F4","shape":[1],"data_offsets":[0,1]}', 1), /needs 0.5 bytes/],
    [
      'a payload cut short',
      one('{"dtype":"F32","shape":[2],"data_offsets":[0,8]}', 5),
      /8 bytes, but 5 follow/,
    ],
    [
      'bytes after the last tensor',
      one('{"dtype":"F32","shape":[1],"data_offsets":[0,4]}', 5),
      /4 bytes, but 5 follow/,
    ],
    [
      'a hole',
      one('{"dtype":"F32","shape":[1],"data_offsets":[4,8]}', 8),
      /begins at byte 4 of the payload; the one before ends at 0/,
    ],
    [
      'an overlap',
      fileOf(
        '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}',
        8,
      ),
      /"b" begins at byte 4 of the payload; the one before ends at 8/,
    ],
  ])('refuses %s', (_, bytes, message) => {
    expect(codeOf(() => parseHeader(bytes))).toBe('file_invalid');
    expect(() => parseHeader(bytes)).toThrow(message);
  });

  it('refuses a header over 100 MB before it reads it', () => {
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(MAX_HEADER_BYTES + 1));
    expect(() => parseHeader(length, 2 * MAX_HEADER_BYTES)).toThrow(/at most 100000000/);
  });

  it('never fails in any other way, whatever bytes it meets', () => {
    const valid = encodeTensorFile([
      { name: 'a', shape: [2, 2], data: new Float32Array(4) },
      { name: 'b', shape: [3], data: new Float32Array(3) },
    ]).bytes;
    const mutated = fc
      .array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 })
      .map((edits) => {
        const bytes = Buffer.from(valid);
        for (const [at, value] of edits) bytes[at] = value;
        return bytes;
      });
    const headers = fc.json().map((json) => fileOf(json.startsWith('{') ? json : `{"a":${json}}`, 16));
    fc.assert(
      fc.property(fc.oneof(mutated, headers, fc.uint8Array({ maxLength: 64 })), (bytes) => {
        const outcome = codeOf(() => parseHeader(bytes));
        return outcome === 'file_invalid' || outcome === 'nothing thrown';
      }),
      { numRuns: 3000, seed: 1 },
    );
  });
});

describe('openTensorFile', () => {
  const tensors = [
    { name: 'x.lora_A.weight', shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) },
    { name: 'a.bias', shape: [2], data: Float32Array.of(-1, 0.25) },
  ];

  it.each(['f32', 'f16', 'bf16'] as const)('reads back what encodeTensorFile wrote in %s', (dtype) => {
    const encoded = encodeTensorFile(tensors, dtype);
    const file = openTensorFile(write(encoded.bytes));
    expect(file.tensors).toEqual([
      { name: 'a.bias', dtype, shape: [2] },
      { name: 'x.lora_A.weight', dtype, shape: [2, 3] },
    ]);
    expect(file.read('x.lora_A.weight')).toEqual(tensors[0]!.data);
    expect(file.read('a.bias')).toEqual(tensors[1]!.data);
    expect(file.canonical).toBe(true);
    expect(
      encoded.bytes
        .subarray(file.payloadOffset)
        .equals(Buffer.concat([file.readBytes('a.bias'), file.readBytes('x.lora_A.weight')])),
    ).toBe(true);
    expect(codeOf(() => file.read('nope'))).toBe('tensor_name');
    file.close();
    file.close();
  });

  it('reads another order, and says that it is not canonical', () => {
    const payload = new Uint8Array(new Float32Array([7, 8]).buffer);
    const file = openTensorFile(
      write(
        fileOf(
          '{"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}',
          payload,
        ),
      ),
    );
    expect(file.tensors.map((tensor) => tensor.name)).toEqual(['a', 'b']);
    expect([file.read('a')[0], file.read('b')[0]]).toEqual([8, 7]);
    expect(file.canonical).toBe(false);
    file.close();
  });

  it('refuses dtypes that no adapter has', () => {
    const path = write(fileOf('{"a":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}', 8));
    expect(codeOf(() => openTensorFile(path))).toBe('tensor_dtype');
    expect(() => openTensorFile(path)).toThrow(/0?\.safetensors: tensor a is I64/);
  });

  it('names the file in its errors', () => {
    const path = write(Buffer.from('not a tensor file at all'));
    try {
      openTensorFile(path);
      expect.fail('nothing thrown');
    } catch (thrown) {
      expect(thrown).toBeInstanceOf(FedrotError);
      expect((thrown as FedrotError).message.startsWith(path)).toBe(true);
      expect((thrown as FedrotError).code).toBe('file_invalid');
    }
    expect(codeOf(() => openTensorFile(join(folder, 'absent')))).toBe('not_found');
    expect(codeOf(() => openTensorFile(folder))).toBe('file_invalid');
    expect(codeOf(() => openTensorFile(write(new Uint8Array(3))))).toBe('file_invalid');
  });
});

describe('openSafetensors', () => {
  it('reads every floating-point type as float32 and hands out the bytes of all', () => {
    const payload = Buffer.alloc(8 + 8 + 4 + 2 + 2);
    payload.writeDoubleLE(0.1, 0);
    payload.writeBigInt64LE(-5n, 8);
    payload.writeFloatLE(1.5, 16);
    payload.writeUInt16LE(0x3e00, 20);
    payload.writeUInt16LE(0x3fc0, 22);
    const file = openSafetensors(
      write(
        fileOf(
          '{"d":{"dtype":"F64","shape":[1],"data_offsets":[0,8]},"i":{"dtype":"I64","shape":[1],"data_offsets":[8,16]},' +
            '"s":{"dtype":"F32","shape":[],"data_offsets":[16,20]},"h":{"dtype":"F16","shape":[1],"data_offsets":[20,22]},' +
            '"b":{"dtype":"BF16","shape":[1],"data_offsets":[22,24]}}',
          payload,
        ),
      ),
    );
    expect(file.entries.map((entry) => entry.name)).toEqual(['b', 'd', 'h', 'i', 's']);
    expect(file.readFloat32('d')[0]).toBe(Math.fround(0.1));
    for (const name of ['s', 'h', 'b']) expect(file.readFloat32(name)).toEqual(Float32Array.of(1.5));
    expect(file.readBytes('i').readBigInt64LE()).toBe(-5n);
    expect(codeOf(() => file.readFloat32('i'))).toBe('tensor_dtype');
    file.close();
  });
});
