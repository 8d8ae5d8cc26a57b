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

/** Writes weights to the ONNX external data file `path` as they come, so that one at a time is in memory. */
export function fileSink(path: string): { readonly sink: WeightSink; readonly close: () => void } {
  const descriptor = openSync(path, 'w');
  let end = 0;
  const sink: WeightSink = (dims, data) => {
    const value = floatTensor(dims, data);
    if (data.byteLength < EXTERNAL_BYTES) return value;
    const offset = Math.ceil(end / PAGE_BYTES) * PAGE_BYTES;
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    for (let done = 0; done < bytes.length;)
      done += writeSync(descriptor, bytes, done, Math.min(bytes.length - done, WRITE_BYTES), offset + done);
    end = offset + bytes.length;
    return { ...value, data: { kind: 'external', file: basename(path), offset, length: bytes.length } };
  };
  return { sink, close: () => closeSync(descriptor) };
}
