// The smallest bundle that a silo accepts; the trainer of these tests never opens the model.
import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createBundle } from '../../dist/model/create-bundle.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

export async function makeBundle(folder) {
  const checkpoint = join(folder, 'checkpoint');
  mkdirSync(checkpoint, { recursive: true });
  cpSync(join(root, 'test/data/checkpoints/bert'), checkpoint, { recursive: true });
  cpSync(join(root, 'test/data/tiny-tokenizer.json'), join(checkpoint, 'tokenizer.json'));
  const created = await createBundle({ checkpoint, out: join(folder, 'bundle'), seed: 0 });
  return {
    folder: created.folder,
    sha256: created.sha256,
    labels: created.manifest.task.labels,
    files: created.manifest.files.map(({ name }) => name),
  };
}
