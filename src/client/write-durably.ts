import { open, rename } from 'node:fs/promises';

/** A file that is whole or not there, on the disk when the promise resolves. */
export async function writeDurably(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(`${path}.partial`, 'w');
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.partial`, path);
}
