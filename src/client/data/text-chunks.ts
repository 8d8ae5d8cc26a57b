import { createReadStream } from 'node:fs';
import { FedrotError } from '../../errors.js';

const LINE_FEED = 10;

const OPEN_FAILURES: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  EACCES: 'permission denied',
  EISDIR: 'is a folder, not a file',
};

function lineFeeds(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(LINE_FEED); at >= 0; at = bytes.indexOf(LINE_FEED, at + 1)) count++;
  return count;
}

/**
 * A file's text in pieces, without a byte order mark. Throws data_invalid where it cannot be read or is not UTF-8, with
 * the line near which that is.
 */
export async function* textChunks(path: string): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let line = 1;
  const decode = (bytes?: Buffer): string => {
    try {
      return bytes === undefined ? decoder.decode() : decoder.decode(bytes, { stream: true });
    } catch (cause) {
      throw new FedrotError(
        'data_invalid',
        `${path}: is not UTF-8 text (in the 64 KiB from line ${line} on); save it as UTF-8`,
        { cause },
      );
    }
  };
  try {
    for await (const bytes of createReadStream(path) as AsyncIterable<Buffer>) {
      yield decode(bytes);
      line += lineFeeds(bytes);
    }
  } catch (cause) {
    if (cause instanceof FedrotError) throw cause;
    const code = (cause as NodeJS.ErrnoException).code ?? '';
    throw new FedrotError('data_invalid', `${path}: ${OPEN_FAILURES[code] ?? `cannot be read (${code})`}`, {
      cause,
    });
  }
  yield decode();
}
