import { FedrotError } from '../../errors.js';
import type { Journal } from '../../evidence/journal.js';
import { DEFAULT_CHUNK_BYTES, MAX_CHUNK_BYTES } from '../../rpc/channel-options.js';
import type { RegisterResponse } from '../../rpc/gen/fedrot/v1/RegisterResponse.js';
import type { SubmitUpdateRequestInput } from '../../rpc/gen/fedrot/v1/SubmitUpdateRequest.js';
import type { UpdateBeginInput } from '../../rpc/gen/fedrot/v1/UpdateBegin.js';
import { toManifest } from '../../tensor/manifest.js';
import { openTensorFile } from '../../tensor/safetensors-file.js';
import type { SpooledUpdate } from '../spool.js';
import type { Connection } from './connection.js';
import { filePieces } from './file-pieces.js';
import { journalled } from './journalled.js';

const MIN_CHUNK_BYTES = 16 * 1024;

/** What of the task an update names; the rest is in the spool. */
export interface UpdateTarget {
  readonly runId: string;
  readonly round: number;
  readonly taskId: string;
  readonly baseVersion: number;
}

/** The chunk size that the coordinator asks for, within what chunks may have. */
function chunkBytes({ chunkBytes: wish }: Pick<RegisterResponse, 'chunkBytes'>): number {
  return Math.min(MAX_CHUNK_BYTES, Math.max(MIN_CHUNK_BYTES, wish || DEFAULT_CHUNK_BYTES));
}

/** Throws message_too_large where the coordinator takes no updates of this size. */
export function checkUpdateSize(
  payload: number,
  { maxUpdateBytes }: Pick<RegisterResponse, 'maxUpdateBytes'>,
): void {
  if (maxUpdateBytes > 0 && payload > maxUpdateBytes)
    throw new FedrotError(
      'message_too_large',
      `an update of this run has ${payload} bytes, the coordinator takes at most ${maxUpdateBytes}`,
    );
}

/**
 * Submits an update from the spool and resolves with the bytes of its payload when the coordinator has it on disk. A broken transfer continues from what
 * is durable there; repeats until it is acknowledged. Throws what can never succeed (round_closed, tensor_shape, …), and cancelled.
 */
export async function submitUpdate(
  connection: Connection,
  update: SpooledUpdate,
  target: UpdateTarget,
  journal: Journal,
  signal: AbortSignal,
): Promise<number> {
  const file = openTensorFile(update.path);
  try {
    const sha256 = Buffer.from(update.sha256, 'hex');
    const begin = {
      ...target,
      silo: connection.silo,
      examples: update.examples,
      metrics: update.metrics,
      manifest: toManifest(file.tensors),
      sha256,
    };
    await connection.repeat(
      `submit the update of ${target.runId} round ${target.round}`,
      signal,
      async (session) => {
        checkUpdateSize(file.payloadBytes, session);
        const { runId, round, silo } = begin;
        const status = await connection.calls.getUploadStatus({ runId, round, silo, sha256 }, { signal });
        if (status.accepted) return;
        const offset = Math.min(status.durableBytes, file.payloadBytes);
        const payload = { path: update.path, from: file.payloadOffset, size: chunkBytes(session) };
        const what = {
          kind: 'update',
          coordinator: connection.address,
          run: runId,
          round,
          sha256: update.sha256,
          bytes: file.payloadBytes - offset,
        } as const;
        const answer = await journalled(journal, what, () =>
          connection.calls.submitUpdate(parts({ ...begin, offset }, offset, payload), { signal }),
        );
        if (!answer.sha256.equals(sha256))
          throw new FedrotError(
            'checksum_mismatch',
            'the coordinator acknowledged another update than the one sent',
          );
      },
    );
    return file.payloadBytes;
  } finally {
    file.close();
  }
}

async function* parts(
  begin: UpdateBeginInput & { readonly sha256: Buffer },
  offset: number,
  payload: { readonly path: string; readonly from: number; readonly size: number },
): AsyncGenerator<SubmitUpdateRequestInput, void, undefined> {
  yield { begin };
  let at = offset;
  for await (const data of filePieces(payload.path, payload.from + offset, payload.size)) {
    yield { chunk: { offset: at, data } };
    at += data.length;
  }
  yield { digest: { sha256: begin.sha256 } };
}
