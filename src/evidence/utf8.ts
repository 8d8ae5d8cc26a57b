import { FedrotError } from '../errors.js';

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Bytes as text, such that the text gives the same bytes again. Throws storage_corrupt for what is not UTF-8. */
export function decodeUtf8(bytes: Uint8Array, where: string): string {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw new FedrotError('storage_corrupt', `${where}: was changed: it is not UTF-8`, { cause });
  }
}
