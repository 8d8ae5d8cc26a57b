import { FedrotError } from '../../errors.js';
import { siloService } from '../../rpc/protos.js';
import { Serialized } from '../../rpc/serialized.js';
import { UNSENT } from '../../rpc/stream-writer.js';
import { readChunks } from '../spool/read-chunks.js';

/** Of all files together: what silos that fetch the same version at about the same time share. */
const KEPT_BYTES = 16 * 1024 * 1024;

/** Of all streams together: what waits to be sent, as far as smaller chunks can help. */
const UNSENT_BYTES = 32 * 1024 * 1024;
/** Smaller ones would cost more time than they save memory. */
const LEAST_BYTES = 128 * 1024;

/** TensorStream.chunk and FileStream.chunk are one message on the wire: field 2, a Chunk. */
const METHOD = 'FetchAdapter';

/** Messages with chunks of stored files, read and serialized once for all who fetch them at the same time; the oldest go first. */
export class SharedChunks {
  readonly #kept = new Map<string, { readonly message: Promise<Serialized>; readonly bytes: number }>();
  #bytes = 0;
  #streams = 0;

  /** A stream begins; the returned function ends it. */
  enter(): () => void {
    this.#streams++;
    let left = false;
    return () => {
      if (!left) this.#streams--;
      left = true;
    };
  }

  /**
   * How many bytes, `most` of them at most, the chunk at `offset` of a stream has: fewer while many streams are under way, because each
   * has UNSENT of them in memory. Halves of halves, each beginning at a multiple of its size, so that streams go on sharing them (where
   * `most` is 128 KiB times a power of two).
   */
  chunkBytes(offset: number, most: number): number {
    let bytes = most;
    const tooMany = (): boolean => bytes * UNSENT * this.#streams > UNSENT_BYTES;
    const astride = (): boolean => offset % LEAST_BYTES === 0 && offset % bytes !== 0;
    while (bytes >= 2 * LEAST_BYTES && (tooMany() || astride())) bytes = Math.ceil(bytes / 2);
    return bytes;
  }

  /** The chunk of `bytes` bytes at `position` of the file, that the stream calls `offset`. Throws as readChunks does. */
  get(path: string, position: number, bytes: number, offset: number): Promise<Serialized> {
    const key = `${position}+${bytes}@${offset} ${path}`;
    const known = this.#kept.get(key);
    if (known) return known.message;
    const message = readChunk(path, position, bytes, offset);
    this.#kept.set(key, { message, bytes });
    this.#bytes += bytes;
    message.catch(() => {
      this.#drop(key);
    });
    for (const oldest of this.#kept.keys()) {
      if (this.#bytes <= KEPT_BYTES) break;
      this.#drop(oldest);
    }
    return message;
  }

  #drop(key: string): void {
    const entry = this.#kept.get(key);
    if (entry === undefined) return;
    this.#kept.delete(key);
    this.#bytes -= entry.bytes;
  }
}

async function readChunk(path: string, position: number, bytes: number, offset: number): Promise<Serialized> {
  const parts: Buffer[] = [];
  for await (const part of readChunks(path, position, position + bytes, bytes)) parts.push(part);
  const [first = Buffer.alloc(0)] = parts;
  const data = parts.length > 1 ? Buffer.concat(parts) : first;
  const serialize = siloService.methods[METHOD]?.responseSerialize;
  if (serialize === undefined) throw new FedrotError('internal', `there is no method ${METHOD}`);
  return new Serialized(serialize({ chunk: { offset, data } }));
}
