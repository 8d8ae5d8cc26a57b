import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readSync } from 'node:fs';
import type { WrittenTensorFile } from './write-file.js';

const READ_BYTES = 1024 * 1024;
/** Of every file that is hashed in this thread, one after the other. */
let piece: Buffer | undefined;

/** Everything that was written to the file is on the disk when it returns. */
export function syncFile(path: string): void {
  withFile(path, 'r+', fsyncSync);
}

/** Reads a file once, a piece at a time. */
export function hashFileSync(path: string): WrittenTensorFile {
  return withFile(path, 'r', (fd) => {
    const hash = createHash('sha256');
    piece ??= Buffer.allocUnsafeSlow(READ_BYTES);
    let bytes = 0;
    for (let read = readSync(fd, piece); read > 0; read = readSync(fd, piece)) {
      hash.update(piece.subarray(0, read));
      bytes += read;
    }
    return { sha256: hash.digest('hex'), bytes };
  });
}

function withFile<T>(path: string, flags: string, use: (fd: number) => T): T {
  const fd = openSync(path, flags);
  try {
    return use(fd);
  } finally {
    closeSync(fd);
  }
}
