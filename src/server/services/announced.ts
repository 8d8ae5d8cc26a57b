import { FedrotError } from '../../errors.js';
import type { CallContext } from '../../rpc/call-context.js';
import { hashOf } from '../transfer/receive-payload.js';

/**
 * What a stream's first message says of all that follows. Where requests are signed only that message is, so it must name the
 * digest; elsewhere it may. Throws option_invalid.
 */
export function announcedDigest(sha256: Uint8Array, context: CallContext, what: string): string | undefined {
  if (sha256.length > 0) return hashOf(sha256, what);
  if (context.metadata('fedrot-signature') === undefined) return undefined;
  throw new FedrotError('option_invalid', `${what}: a signed upload names its SHA-256 in the first message`);
}

/** Throws checksum_mismatch unless what came is what was announced. */
export function requireAnnounced(announced: string | undefined, actual: string, what: string): void {
  if (announced !== undefined && announced !== actual)
    throw new FedrotError(
      'checksum_mismatch',
      `${what} was announced as ${announced}; what has come is ${actual}`,
    );
}
