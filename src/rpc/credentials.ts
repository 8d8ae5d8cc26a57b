import type { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { credentials, type ChannelCredentials } from '@grpc/grpc-js';
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

export function channelCredentials(security: ClientSecurity): ChannelCredentials {
  if (security.kind === 'plaintext') return credentials.createInsecure();
  const { roots, credential, minVersion } = security;
  return credentials.createFromSecureContext(
    createSecureContext(tlsOptions({ ...credential, ...(roots && { roots }) }, minVersion)),
  );
}
