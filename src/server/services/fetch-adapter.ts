import { FedrotError } from '../../errors.js';
import type { FetchAdapterRequest } from '../../rpc/gen/fedrot/v1/FetchAdapterRequest.js';
import type { Serialized } from '../../rpc/serialized.js';
import type { TensorStreamInput } from '../../rpc/gen/fedrot/v1/TensorStream.js';
import { publishedAdapter } from '../coordinator/assignments.js';
import type { Coordinator } from '../coordinator/coordinator.js';
import { sendTensors } from '../transfer/send-stream.js';
import type { SharedChunks } from '../transfer/shared-chunks.js';

/** Which files of a version a caller may have. */
const PARTS = {
  ADAPTER_PART_UNSPECIFIED: 'adapter',
  ADAPTER_PART_MERGE: 'merge',
  ADAPTER_PART_STATE: 'state',
} as const;

/**
 * FetchAdapter, for silos and operators alike. Throws run_unknown, not_found, option_invalid, storage_corrupt; permission_denied where
 * a silo asks for the coordinator's own state.
 */
export function fetchAdapter(
  coordinator: Coordinator,
  { runId, version, offset, part }: FetchAdapterRequest,
  caller: 'silo' | 'operator',
  shared?: SharedChunks,
): AsyncIterable<TensorStreamInput | Serialized> {
  const adapter = publishedAdapter(coordinator.run(runId), version);
  const kind = PARTS[part];
  if (kind === 'state' && caller === 'silo')
    throw new FedrotError('permission_denied', "the state of an aggregation is the coordinator's own");
  const file = kind === 'adapter' ? adapter : adapter[kind];
  if (!file)
    throw new FedrotError(
      'not_found',
      `version ${version} of run ${runId} has no ${kind} file: its method does not make one`,
    );
  return sendTensors(coordinator.spool.pathOf(file.sha256), file.sha256, {
    offset,
    chunkBytes: coordinator.config.chunkBytes,
    shared,
    onSent: (bytes) => {
      coordinator.metrics.bytesSent.inc({ kind }, bytes);
    },
  });
}
