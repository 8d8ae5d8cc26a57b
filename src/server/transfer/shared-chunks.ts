import { FedrotError } from '../../errors.js';
import { siloService } from '../../rpc/protos.js';
import { Serialized } from '../../rpc/serialized.js';
import { readChunks } from '../spool/read-chunks.js';

/** Of all files together: what silos that fetch the same version at about the same time share. */
const KEPT_BYTES = 16 * 1024 * 1024;

/** TensorStream.chunk and FileStream.chunk are one message on the wire: field 2, a Chunk. */
const METHOD = 'FetchAdapter';

/** Messages with chunks of stored files, read and serialized once for all who fetch them at the same time; the oldest go first. */
export class SharedChunks {
  readonly #kept = new Map<string, { readonly message: Promise<Serialized>; readonly bytes: number }>();
  #bytes = 0;

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
