import type { FetchAdapterRequest } from '../../rpc/gen/fedrot/v1/FetchAdapterRequest.js';
import type { TensorStreamInput } from '../../rpc/gen/fedrot/v1/TensorStream.js';
import { publishedAdapter } from '../coordinator/assignments.js';
import type { Coordinator } from '../coordinator/coordinator.js';
import { sendTensors } from '../transfer/send-stream.js';

/** FetchAdapter, for silos and operators alike. Throws run_unknown, not_found, option_invalid, storage_corrupt. */
export function fetchAdapter(
  coordinator: Coordinator,
  { runId, version, offset }: FetchAdapterRequest,
): AsyncIterable<TensorStreamInput> {
  const { sha256 } = publishedAdapter(coordinator.run(runId), version);
  return sendTensors(coordinator.spool.pathOf(sha256), sha256, {
    offset,
    chunkBytes: coordinator.config.chunkBytes,
    onSent: (bytes) => {
      coordinator.metrics.bytesSent.inc({ kind: 'adapter' }, bytes);
    },
  });
}
