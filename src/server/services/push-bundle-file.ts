import { createHash } from 'node:crypto';
import { MANIFEST_FILE, SIGNATURE_FILE } from '../../bundle-names.js';
import { FedrotError } from '../../errors.js';
import type { CallContext } from '../../rpc/call-context.js';
import type { PushBundleFileBegin } from '../../rpc/gen/fedrot/v1/PushBundleFileBegin.js';
import type { PushBundleFileRequest } from '../../rpc/gen/fedrot/v1/PushBundleFileRequest.js';
import type { Coordinator } from '../coordinator/coordinator.js';
import { checkBundleNames, MAX_MANIFEST_BYTES, MAX_SIGNATURE_BYTES } from '../spool/bundle-files.js';
import { guardStream } from '../transfer/guard-stream.js';
import { hashOf, receiveBegin, receivePayload } from '../transfer/receive-payload.js';
import { announcedDigest, requireAnnounced } from './announced.js';
import { checkBundleSignature, ensureSigned, type BundleSigning } from './bundle-signature.js';

export interface PushedFile {
  readonly bundle: string;
  readonly file: string;
  readonly complete: boolean;
}

const LIMITS: Readonly<Record<string, number>> = {
  [MANIFEST_FILE]: MAX_MANIFEST_BYTES,
  [SIGNATURE_FILE]: MAX_SIGNATURE_BYTES,
};

/**
 * PushBundleFile: one file of a bundle, the manifest last. A signature must be one of this consortium's signers; a bundle that
 * comes without is signed by the coordinator.
 */
export async function pushBundleFile(
  coordinator: Coordinator,
  requests: AsyncIterable<PushBundleFileRequest>,
  context: CallContext,
  signing: BundleSigning | undefined,
): Promise<PushedFile> {
  coordinator.refuseWhileDraining();
  const { clock, config, bundles, metrics } = coordinator;
  const guard = { clock, idleMs: config.streamIdleMs, signal: new AbortController().signal };
  const messages = guardStream(requests, guard);
  const begin = await receiveBegin<PushBundleFileRequest, PushBundleFileBegin>(messages);
  const { bundleSha256: bundle, file: name, bytes } = begin;
  checkBundleNames(bundle, name);
  const limit = LIMITS[name] ?? config.limits.maxBundleFileBytes;
  if (bytes > limit)
    throw new FedrotError('message_too_large', `${name} has ${bytes} bytes; at most ${limit} are taken`);
  const pushed = { bundle, file: name };
  const isSignature = name === SIGNATURE_FILE;
  if (!isSignature && (await bundles.isComplete(bundle))) return { ...pushed, complete: true };
  const announced = announcedDigest(begin.sha256, context, name);

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
    const actual = hash.digest('hex');
    checkWhole(name, file.bytes, bytes, actual, hashOf(digest, name));
    requireAnnounced(announced, actual, name);
    if (isSignature && signing !== undefined)
      checkBundleSignature(bundle, (await file.read(0, file.bytes)).toString(), signing);
    if (name === MANIFEST_FILE) {
      if (signing !== undefined) await ensureSigned(bundles, bundle, signing);
      await bundles.complete(bundle, file);
    } else await file.publish(bundles.pathOf(bundle, name));
    return { ...pushed, complete: isSignature ? await bundles.isComplete(bundle) : name === MANIFEST_FILE };
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
