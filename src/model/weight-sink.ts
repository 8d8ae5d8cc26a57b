import { closeSync, openSync, writeSync } from 'node:fs';
import { basename } from 'node:path';
import type { TensorValue } from '../train/ir/graph.js';
import { floatTensor } from '../train/ir/tensor-value.js';

/** Takes a weight's numbers and gives what stands for it in the graph. */
export type WeightSink = (dims: readonly number[], data: Float32Array) => TensorValue;

/** Keeps weights in the graph itself: for small models in memory. */
export const inlineSink: WeightSink = (dims, data) => floatTensor(dims, data);

/**
 * ONNX Runtime maps external data into memory only from a page boundary (onnx docs/ExternalData.md: 4096).
 */
const PAGE_BYTES = 4096;
/** Below this a tensor stays in the model file. */
const EXTERNAL_BYTES = 1024;
const WRITE_BYTES = 1 << 30;

/** Takes a tensor of any type; `read` gives its bytes when they are wanted. */
export type RawSink = (value: TensorValue, read: () => Uint8Array) => TensorValue;

export interface FileSink {
  readonly weights: WeightSink;
  readonly raw: RawSink;
  readonly close: () => void;
}

/** Writes weights to the ONNX external data file `path` as they come, so that one at a time is in memory. */
export function fileSink(path: string): FileSink {
  const descriptor = openSync(path, 'w');
  let end = 0;
  const append = (bytes: Uint8Array): TensorValue['data'] => {
    const offset = Math.ceil(end / PAGE_BYTES) * PAGE_BYTES;
    for (let done = 0; done < bytes.length;)
      done += writeSync(descriptor, bytes, done, Math.min(bytes.length - done, WRITE_BYTES), offset + done);
    end = offset + bytes.length;
    return { kind: 'external', file: basename(path), offset, length: bytes.length };
  };
  return {
    weights: (dims, data) => {
      const value = floatTensor(dims, data);
      if (data.byteLength < EXTERNAL_BYTES) return value;
      return { ...value, data: append(new Uint8Array(data.buffer, data.byteOffset, data.byteLength)) };
    },
    raw: (value, read) => {
      const bytes = read();
      const data = bytes.length < EXTERNAL_BYTES ? ({ kind: 'inline', bytes } as const) : append(bytes);
      return { ...value, data };
    },
    close: () => closeSync(descriptor),
  };
}
