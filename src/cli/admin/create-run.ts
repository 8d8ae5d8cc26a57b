import type { Bundle } from '../../model/bundle.js';
import { continuedAdapter, initialAdapter } from '../../model/initial-adapter.js';
import type { CreateRunRequestInput } from '../../rpc/gen/fedrot/v1/CreateRunRequest.js';
import type { RunSpec } from '../../run-spec.js';
import type { NamedTensor } from '../../tensor/tensor.js';
import { encodeTensorFile, tensorInfos } from '../../tensor/encode-file.js';
import { toManifest } from '../../tensor/manifest.js';
import { chunksOf } from './chunks.js';
import type { AdminClient } from './connect.js';

/**
 * Makes version 0 of the adapter from the bundle, by the specification's seed, or from the adapter to `begin` with, and creates the run. Resolves with
 * the run's id and the SHA-256 of version 0. Throws option_invalid for modules that the model lacks, and what CreateRun answers.
 */
export async function createRun(
  admin: AdminClient,
  bundle: Bundle,
  spec: RunSpec,
  {
    runId = '',
    begin,
  }: { readonly runId?: string | undefined; readonly begin?: readonly NamedTensor[] | undefined } = {},
): Promise<{ runId: string; initialSha256: string }> {
  const tensors =
    begin === undefined
      ? initialAdapter(bundle, spec.lora, spec.seed)
      : continuedAdapter(bundle, spec.lora, begin);
  const manifest = toManifest(tensorInfos(tensors));
  const file = encodeTensorFile(tensors);
  const payload = file.bytes.subarray(file.bytes.length - manifest.payloadBytes);
  function* requests(): Generator<CreateRunRequestInput> {
    yield {
      begin: { specJson: JSON.stringify(spec), manifest, runId, sha256: Buffer.from(file.sha256, 'hex') },
    };
    for (const chunk of chunksOf(payload)) yield { chunk };
    yield { digest: { sha256: Buffer.from(file.sha256, 'hex') } };
  }
  const response = await admin.createRun(requests());
  return { runId: response.runId, initialSha256: file.sha256 };
}
