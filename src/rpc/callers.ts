import type { Metadata } from '@grpc/grpc-js';
import type { CertificateFacts } from '../pki/certificate.js';

/** Who makes a call, by its metadata: where requests are signed that is known only when the first message is there. */
const callers = new WeakMap<Metadata, CertificateFacts>();

export function setCaller(metadata: Metadata, caller: CertificateFacts): void {
  callers.set(metadata, caller);
}

export function callerOf(metadata: Metadata | undefined): CertificateFacts | undefined {
  return metadata && callers.get(metadata);
}
