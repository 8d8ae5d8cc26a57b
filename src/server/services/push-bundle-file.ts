import { createHash } from 'node:crypto';
import { FedrotError } from '../../errors.js';
import type { PushBundleFileBegin } from '../../rpc/gen/fedrot/v1/PushBundleFileBegin.js';
import type { PushBundleFileRequest } from '../../rpc/gen/fedrot/v1/PushBundleFileRequest.js';
import type { Coordinator } from '../coordinator/coordinator.js';
import { checkBundleNames, MANIFEST_FILE, MAX_MANIFEST_BYTES } from '../spool/bundle-files.js';
import { guardStream } from '../transfer/guard-stream.js';
import { hashOf, receiveBegin, receivePayload } from '../transfer/receive-payload.js';

/** PushBundleFile: one file of a bundle, the manifest last. Resolves with whether the bundle is complete. */
export async function pushBundleFile(
  coordinator: Coordinator,
  requests: AsyncIterable<PushBundleFileRequest>,
): Promise<boolean> {
  coordinator.refuseWhileDraining();
  const { clock, config, bundles, metrics } = coordinator;
  const guard = { clock, idleMs: config.streamIdleMs, signal: new AbortController().signal };
  const messages = guardStream(requests, guard);
  const begin = await receiveBegin<PushBundleFileRequest, PushBundleFileBegin>(messages);
  const { bundleSha256: bundle, file: name, bytes } = begin;
  checkBundleNames(bundle, name);
  const limit = name === MANIFEST_FILE ? MAX_MANIFEST_BYTES : config.limits.maxBundleFileBytes;
  if (bytes > limit)
    throw new FedrotError('message_too_large', `${name} has ${bytes} bytes; at most ${limit} are taken`);
  if (await bundles.isComplete(bundle)) return true;

  const file = await bundles.createTemp(bundle, name);
  try {
    const hash = createHash('sha256');
    const digest = await receivePayload(messages, async (offset, data) => {
      if (offset !== file.bytes || offset + data.length > bytes)
        throw new FedrotError(
          'stream_truncated',
          `a chunk of ${name} covers bytes ${offset} to ${offset + data.length}; expected it at ${file.bytes}, within ${bytes}`,
        );
      hash.update(data);
      await file.append(data);
      metrics.bytesReceived.inc({ kind: 'bundle' }, data.length);
    });
    checkWhole(name, file.bytes, bytes, hash.digest('hex'), hashOf(digest, name));
    if (name === MANIFEST_FILE) await bundles.complete(bundle, file);
    else await file.publish(bundles.pathOf(bundle, name));
    return name === MANIFEST_FILE;
  } catch (thrown) {
    await file.discard();
    throw thrown;
  }
}

function checkWhole(name: string, received: number, bytes: number, actual: string, stated: string): void {
  if (received !== bytes)
    throw new FedrotError('stream_truncated', `${name} ends after ${received} of ${bytes} bytes`);
  if (actual !== stated)
    throw new FedrotError(
      'checksum_mismatch',
      `${name}: the sender states SHA-256 ${stated}, the received bytes have ${actual}`,
    );
}
