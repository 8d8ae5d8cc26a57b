import { FedrotError } from '../../errors.js';
import type { AdapterPartInput } from '../../rpc/gen/fedrot/v1/AdapterPart.js';
import type { TensorInfo } from '../../tensor/tensor.js';
import { canonicalHeader } from '../../tensor/canonical.js';
import { fromManifest } from '../../tensor/manifest.js';
import { PayloadChecker } from '../../tensor/payload-checker.js';
import type { AdminClient } from './connect.js';

export interface FetchedAdapter {
  readonly tensors: readonly TensorInfo[];
  /** The canonical safetensors file. */
  readonly bytes: Buffer;
  /** Of `bytes`, hex; compared with what the coordinator stated. */
  readonly sha256: string;
}

/** Fetches one published version of a run's adapter, or another file that came with it, and checks it. Throws stream_truncated or checksum_mismatch. */
export async function fetchAdapter(
  admin: AdminClient,
  runId: string,
  version: number,
  part: AdapterPartInput = 'ADAPTER_PART_UNSPECIFIED',
): Promise<FetchedAdapter> {
  let tensors: TensorInfo[] | undefined;
  let checker: PayloadChecker | undefined;
  const parts: Buffer[] = [];
  for await (const { manifest, chunk, digest } of admin.fetchAdapter({ runId, version, offset: 0, part })) {
    if (manifest) {
      tensors = fromManifest(manifest);
      checker = new PayloadChecker(tensors);
    } else if (chunk) {
      checker?.push(chunk.offset, chunk.data);
      parts.push(chunk.data);
    } else if (digest && checker && tensors) {
      const sha256 = checker.finish(digest.sha256);
      return { tensors, sha256, bytes: Buffer.concat([canonicalHeader(tensors), ...parts]) };
    }
  }
  throw new FedrotError(
    'stream_truncated',
    `adapter ${runId} version ${version}: the stream ended without its digest`,
  );
}
