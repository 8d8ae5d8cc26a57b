import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FedrotError } from '../../errors.js';
import type { RoundManifest } from '../../evidence/round-manifest.js';
import type { TensorStream } from '../../rpc/gen/fedrot/v1/TensorStream.js';
import { canonicalHeader } from '../../tensor/canonical.js';
import { fromManifest } from '../../tensor/manifest.js';
import { PayloadChecker } from '../../tensor/payload-checker.js';
import type { AdminClient } from '../admin/connect.js';

/** One tensor file from its stream, checked. Throws stream_truncated, checksum_mismatch. */
async function receive(parts: AsyncIterable<TensorStream>): Promise<{ bytes: Buffer; sha256: string }> {
  let checker: PayloadChecker | undefined;
  const pieces: Buffer[] = [];
  for await (const { manifest, chunk, digest } of parts) {
    if (manifest) {
      const tensors = fromManifest(manifest);
      checker = new PayloadChecker(tensors);
      pieces.push(canonicalHeader(tensors));
    } else if (chunk) {
      checker?.push(chunk.offset, chunk.data);
      pieces.push(chunk.data);
    } else if (digest && checker)
      return { sha256: checker.finish(digest.sha256), bytes: Buffer.concat(pieces) };
  }
  throw new FedrotError('stream_truncated', 'the stream ended before its digest');
}

/** Fetches what a round was made of into a folder; returns where the file of a hash lies. */
export async function downloadRound(
  admin: AdminClient,
  { run: runId, round, reference, updates }: RoundManifest,
  folder: string,
): Promise<(sha256: string) => string> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const pathOf = (sha256: string): string => join(folder, `${sha256}.safetensors`);
  const keep = async (parts: AsyncIterable<TensorStream>, what: string, expected: string): Promise<void> => {
    const { bytes, sha256 } = await receive(parts);
    if (sha256 !== expected)
      throw new FedrotError(
        'checksum_mismatch',
        `${what} has SHA-256 ${sha256}; the manifest says ${expected}`,
      );
    writeFileSync(pathOf(sha256), bytes, { mode: 0o600 });
  };
  await keep(
    admin.fetchAdapter({ runId, version: reference.version, offset: 0 }),
    `version ${reference.version}`,
    reference.sha256,
  );
  if (reference.state !== undefined)
    await keep(
      admin.fetchAdapter({
        runId,
        version: reference.version,
        offset: 0,
        part: 'ADAPTER_PART_STATE',
      }),
      `the state of version ${reference.version}`,
      reference.state,
    );
  for (const { silo, sha256, stale } of updates) {
    await keep(admin.fetchUpdate({ runId, round, silo, offset: 0 }), `the update of ${silo}`, sha256);
    if (stale !== undefined)
      await keep(
        admin.fetchAdapter({ runId, version: stale.version, offset: 0 }),
        `version ${stale.version}`,
        stale.sha256,
      );
  }
  return pathOf;
}
