import { openTensorFile } from './safetensors-file.js';
import type { NamedTensor, TensorSource } from './tensor.js';

/** All tensors of a source, in memory as float32. */
export function readTensors(source: TensorSource): NamedTensor[] {
  return source.tensors.map(({ name, shape }) => ({ name, shape, data: source.read(name) }));
}

/** All tensors of an adapter or update, in memory as float32. Throws as openTensorFile does. */
export function readTensorFile(path: string): NamedTensor[] {
  const file = openTensorFile(path);
  try {
    return readTensors(file);
  } finally {
    file.close();
  }
}
