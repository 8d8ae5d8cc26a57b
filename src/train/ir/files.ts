import { closeSync, existsSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { FedrotError } from '../../errors.js';
import { checkModel } from './check-model.js';
import { decodeModel, encodeModel } from './codec.js';
import type { Model, TensorValue } from './graph.js';

const MODEL_FILE = 'model.onnx';

/** ONNX Runtime maps a tensor's bytes into memory only from a page boundary (onnx docs/ExternalData.md: 4096). */
const PAGE_BYTES = 4096;

/** writeSync takes at most 2³¹ − 1 bytes at once. */
const WRITE_BYTES = 1 << 30;

export interface SaveOptions {
  /** Initializers of more bytes than this go to the data file; default 1024. Infinity keeps all in the model file. */
  readonly externalOver?: number;
  /** Default model.onnx; the data file is the same with `.data` appended. */
  readonly file?: string;
}

function writeAll(descriptor: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length;)
    done += writeSync(descriptor, bytes, done, Math.min(bytes.length - done, WRITE_BYTES), position + done);
}

/**
 * Writes `<file>` and `<file>.data` into `folder` (which must exist), in the order of the initializers; the same model
 * gives the same bytes. Initializers that are external already keep their references: their file must lie in `folder`.
 */
export function saveModel(model: Model, folder: string, options: SaveOptions = {}): void {
  const { externalOver = 1024, file = MODEL_FILE } = options;
  const dataFile = `${file}.data`;
  const initializers = new Map<string, TensorValue>();
  let descriptor: number | undefined;
  let offset = 0;
  try {
    for (const [name, value] of model.graph.initializers) {
      if (value.data.kind === 'external' || value.data.bytes.byteLength <= externalOver) {
        if (value.data.kind === 'external' && value.data.file === dataFile)
          throw new FedrotError(
            'internal',
            `saving would overwrite ${dataFile}, where initializer ${name} lies`,
          );
        initializers.set(name, value);
        continue;
      }
      descriptor ??= openSync(join(folder, dataFile), 'w');
      offset = Math.ceil(offset / PAGE_BYTES) * PAGE_BYTES;
      const { bytes } = value.data;
      writeAll(descriptor, bytes, offset);
      initializers.set(name, {
        ...value,
        data: { kind: 'external', file: dataFile, offset, length: bytes.byteLength },
      });
      offset += bytes.byteLength;
    }
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
  writeFileSync(join(folder, file), encodeModel({ ...model, graph: { ...model.graph, initializers } }));
}

/** Reads a model; external data stay references to files in `folder`. Throws not_found, file_invalid, and as checkModel does. */
export function loadModel(folder: string, file: string = MODEL_FILE): Model {
  const path = join(folder, file);
  if (!existsSync(path)) throw new FedrotError('not_found', `${path}: no such file`);
  try {
    return checkModel(decodeModel(readFileSync(path)));
  } catch (error) {
    if (error instanceof FedrotError)
      throw new FedrotError(error.code, `${path}: ${error.message}`, { cause: error });
    throw new FedrotError('file_invalid', `${path}: ${(error as Error).message}`, { cause: error });
  }
}
