import { credentials, ServerCredentials, type ChannelCredentials } from '@grpc/grpc-js';

/**
 * How a connection is protected. The one place where credentials are made; TLS becomes further kinds of this union.
 */
export interface Security {
  /** No encryption: for loopback and for networks that are protected otherwise. */
  readonly kind: 'plaintext';
}

export const PLAINTEXT: Security = { kind: 'plaintext' };

const SERVER: Readonly<Record<Security['kind'], () => ServerCredentials>> = {
  plaintext: () => ServerCredentials.createInsecure(),
};

const CHANNEL: Readonly<Record<Security['kind'], () => ChannelCredentials>> = {
  plaintext: () => credentials.createInsecure(),
};

export function serverCredentials(security: Security): ServerCredentials {
  return SERVER[security.kind]();
}

export function channelCredentials(security: Security): ChannelCredentials {
  return CHANNEL[security.kind]();
}
