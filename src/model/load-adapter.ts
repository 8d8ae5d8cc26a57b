import { readTensors } from '../tensor/read-tensors.js';
import { readPeftAdapter, type PeftAdapter } from './peft.js';
import type { AdapterInput } from './language-model.js';

/** An adapter folder, all in memory: its settings, its tensors with PEFT's names. Throws as readPeftAdapter does. */
export async function loadAdapter(folder: string): Promise<Pick<PeftAdapter, 'settings'> & AdapterInput> {
  const { settings, tensors } = await readPeftAdapter(folder);
  try {
    return { settings, tensors: readTensors(tensors) };
  } finally {
    tensors.close();
  }
}
