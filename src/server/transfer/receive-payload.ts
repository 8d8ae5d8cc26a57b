import { FedrotError } from '../../errors.js';

/** What follows the begin of an upload, whatever is uploaded. */
export interface Part {
  readonly part?: string;
  readonly chunk?: { readonly offset: number; readonly data: Buffer } | null;
  readonly digest?: { readonly sha256: Buffer } | null;
}

/** The first message of an upload. Throws manifest_invalid where it is not a begin. */
export async function receiveBegin<P extends { readonly begin?: B | null }, B>(
  parts: AsyncGenerator<P, void, undefined>,
): Promise<B> {
  const first = await parts.next();
  const begin = first.done === true ? undefined : first.value.begin;
  if (begin === undefined || begin === null)
    throw new FedrotError('manifest_invalid', 'an upload starts with a begin message; none came');
  return begin;
}

/**
 * Hands every chunk to `take`, one after the other; resolves with the digest that closes the stream. Throws
 * stream_truncated where it ends before that, manifest_invalid for anything else than chunks and a digest.
 */
export async function receivePayload(
  parts: AsyncIterable<Part>,
  take: (offset: number, data: Buffer) => Promise<void>,
): Promise<Buffer> {
  for await (const { part, chunk, digest } of parts) {
    if (part === 'digest' && digest) return digest.sha256;
    if (part !== 'chunk' || !chunk)
      throw new FedrotError('manifest_invalid', 'after the begin come chunks and a digest, nothing else');
    if (chunk.data.length === 0) throw new FedrotError('manifest_invalid', 'a chunk is empty');
    await take(chunk.offset, chunk.data);
  }
  throw new FedrotError('stream_truncated', 'the stream ended before its digest');
}

/** A digest as hex. Throws option_invalid unless it has 32 bytes. */
export function hashOf(sha256: Uint8Array, what: string): string {
  if (sha256.length !== 32)
    throw new FedrotError('option_invalid', `${what}: a SHA-256 has 32 bytes, not ${sha256.length}`);
  return Buffer.from(sha256).toString('hex');
}
