import {
  comparisonOf,
  moduleSums,
  type AdapterComparison,
  type ModuleSums,
} from '../../align/compare-adapters.js';
import { readTensors } from '../../tensor/read-tensors.js';
import { openTensorFile } from '../../tensor/safetensors-file.js';
import type { NamedTensor } from '../../tensor/tensor.js';

function tensorsOf(path: string): readonly NamedTensor[] {
  const file = openTensorFile(path);
  try {
    return readTensors(file);
  } finally {
    file.close();
  }
}

/** `fedrot adapter compare` for whoever answers other requests in between. */
export async function compareFiles(from: string, to: string, scale: number): Promise<AdapterComparison> {
  const all: ModuleSums[] = [];
  for (const sums of moduleSums(tensorsOf(from), tensorsOf(to), scale)) {
    all.push(sums);
    await new Promise(setImmediate);
  }
  return comparisonOf(all);
}
