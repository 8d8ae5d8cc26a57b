import type { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { checkServerIdentity, createSecureContext } from 'node:tls';
import { credentials, type ChannelCredentials, type ChannelOptions } from '@grpc/grpc-js';
import type { Credential } from '../pki/credential.js';
import { tlsOptions, type TlsVersion } from '../pki/tls-options.js';

/** No encryption: for loopback only. */
export interface Plaintext {
  readonly kind: 'plaintext';
}

export const PLAINTEXT: Plaintext = { kind: 'plaintext' };

/** How a server protects its connections. */
export type ServerSecurity =
  | Plaintext
  | {
      readonly kind: 'tls';
      readonly credential: Pick<Credential, 'key' | 'certificates' | 'roots'>;
      /** Default TLSv1.3. */
      readonly minVersion?: TlsVersion;
      /** False behind a load balancer that ends TLS: it has no client certificates to show. */
      readonly clientCertificates: boolean;
      /** Connections at the same time, all and from one address. */
      readonly maxConnections?: number;
      readonly maxConnectionsPerAddress?: number;
      /** A TLS handshake that failed: old protocol, no common suite, too slow. */
      readonly onHandshakeFailure?: (peer: string, message: string) => void;
    };

/** How a client protects its connection, and how it says who it is. */
export type ClientSecurity =
  | Plaintext
  | {
      readonly kind: 'tls';
      /** Whom the server's certificate must come from; default: the authorities that Node knows. */
      readonly roots?: readonly X509Certificate[];
      /** Shown as client certificate. */
      readonly credential?: Pick<Credential, 'key' | 'certificates'>;
      /** Default TLSv1.3. */
      readonly minVersion?: TlsVersion;
      /** Behind a load balancer: every request is signed for this coordinator (src/pki/signed-request.ts). */
      readonly sign?: {
        readonly credential: Pick<Credential, 'key' | 'certificates'>;
        readonly audience: string;
        /** Unix epoch, ms. */
        readonly now: () => number;
      };
    };

/** Sent as server name to a server that is known by its address: RFC 6066 allows no addresses there. */
const NO_NAME = 'localhost';

/** Credentials and channel options for a server of this name or address, whose certificate must be for it. */
export function channelCredentials(
  security: ClientSecurity,
  host: string,
): { credentials: ChannelCredentials; options: ChannelOptions } {
  if (security.kind === 'plaintext') return { credentials: credentials.createInsecure(), options: {} };
  const { roots, credential, minVersion } = security;
  const context = createSecureContext(tlsOptions({ ...credential, ...(roots && { roots }) }, minVersion));
  if (isIP(host) === 0) return { credentials: credentials.createFromSecureContext(context), options: {} };
  return {
    credentials: credentials.createFromSecureContext(context, {
      checkServerIdentity: (_name, certificate) => checkServerIdentity(host, certificate),
    }),
    options: { 'grpc.ssl_target_name_override': NO_NAME },
  };
}
