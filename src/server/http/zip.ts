import { Readable } from 'node:stream';
import yazl from 'yazl';

export interface ZipEntry {
  readonly name: string;
  /** Its bytes, or the file that holds them. */
  readonly content: string | Buffer | { readonly path: string };
}

/** A ZIP file as a stream; entries lie in it as they are, since weights do not get smaller. `modified`: their time. */
export function zipStream(entries: readonly ZipEntry[], modified: Date): ReadableStream<Uint8Array> {
  const zip = new yazl.ZipFile();
  const options = { mtime: modified, mode: 0o100644, compress: false };
  for (const { name, content } of entries)
    if (typeof content === 'string') zip.addBuffer(Buffer.from(content), name, options);
    else if (Buffer.isBuffer(content)) zip.addBuffer(content, name, options);
    else zip.addFile(content.path, name, options);
  const output = new Readable().wrap(zip.outputStream);
  zip.once('error', (error: Error) => output.destroy(error));
  zip.end();
  return Readable.toWeb(output) as ReadableStream<Uint8Array>;
}
