import { open } from 'node:fs/promises';

/** A file's bytes from a position to its end, in buffers of their own of `size` bytes; only the last may be shorter. */
export async function* filePieces(
  path: string,
  from: number,
  size: number,
): AsyncGenerator<Buffer, void, undefined> {
  const file = await open(path, 'r');
  try {
    for (let position = from; ;) {
      const buffer = Buffer.allocUnsafe(size);
      let filled = 0;
      while (filled < size) {
        const { bytesRead } = await file.read(buffer, filled, size - filled, position + filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      if (filled > 0) yield buffer.subarray(0, filled);
      if (filled < size) return;
      position += filled;
    }
  } finally {
    await file.close();
  }
}
