import { constants } from 'node:crypto';
import { isIP, type Socket } from 'node:net';
import { createServer, type TLSSocket } from 'node:tls';
import { FedrotError } from '../errors.js';
import { certificateFacts, type CertificateFacts } from '../pki/certificate.js';
import { tlsOptions } from '../pki/tls-options.js';
import type { ServerSecurity } from './credentials.js';

/** Who has not finished the handshake by then is cut; ms. */
const HANDSHAKE_MS = 10_000;

/** A connection without a good certificate has so long for Enrol or a question about health; ms. */
const STRANGER_MS = 30_000;

/** setTimeout takes no more (src/clock.ts). */
const MAX_WAIT_MS = 2 ** 31 - 1;

/** So long the last words of a connection have to arrive before it is cut; ms. */
const FAREWELL_MS = 100;

const DEFAULT_MAX_CONNECTIONS = 10_000;
const DEFAULT_MAX_PER_ADDRESS = 1000;

export type TlsServerSecurity = Extract<ServerSecurity, { kind: 'tls' }>;

interface Connection {
  readonly socket: TLSSocket;
  /** Undefined where TLS did not accept the certificate, or there was none. */
  readonly facts: CertificateFacts | undefined;
  /** Why `facts` is undefined. */
  readonly problem: string;
}

export interface SecureListener {
  readonly port: number;
  /** Why the connection of this peer has no good certificate; for messages. */
  problemOf(peer: string): string | undefined;
  /** The certificate for connections from now on. */
  useCredential(credential: TlsServerSecurity['credential']): void;
  /** Cuts the connections of the parties that `match`, after a moment for what is on its way; returns how many. */
  cut(match: (caller: CertificateFacts) => boolean): number;
  /** No new connections. */
  close(): void;
}

/** As grpc-js writes a call's peer. */
const peerOf = (socket: Socket): string => `${socket.remoteAddress ?? ''}:${socket.remotePort ?? ''}`;

/** Strangers have a moment; everyone else until the certificate expires: a stream that is open must not outlive it. Returns how to stop. */
function cutWhenOver({ socket, facts }: Connection): () => void {
  let timer: NodeJS.Timeout;
  const arm = (): void => {
    const leftMs = facts === undefined ? STRANGER_MS : facts.notAfterMs - Date.now();
    timer = setTimeout(
      () => {
        if (leftMs > MAX_WAIT_MS) arm();
        else socket.destroy();
      },
      Math.min(MAX_WAIT_MS, Math.max(0, leftMs)),
    ).unref();
  };
  arm();
  return () => {
    clearTimeout(timer);
  };
}

/** OpenSSL's reasons in words that say what to do. */
const PROBLEMS: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'the client certificate has expired: enrol again',
  CERT_NOT_YET_VALID: 'the client certificate is not valid yet: check the clocks',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "the client certificate does not come from this consortium's authority",
  UNABLE_TO_GET_ISSUER_CERT: "the client certificate does not come from this consortium's authority",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "the client certificate does not come from this consortium's authority",
  SELF_SIGNED_CERT_IN_CHAIN: "the client certificate does not come from this consortium's authority",
  DEPTH_ZERO_SELF_SIGNED_CERT: 'the client certificate is signed by nobody but itself',
  CERT_SIGNATURE_FAILURE: 'the signature of the client certificate is not of this consortium’s authority',
  INVALID_PURPOSE: 'the certificate is not for TLS clients',
};

function inspect(socket: TLSSocket): Omit<Connection, 'socket'> {
  const { raw } = socket.getPeerCertificate() as { raw?: Buffer };
  if (raw === undefined)
    return { facts: undefined, problem: 'no client certificate was shown: enrol first (fedrot enrol)' };
  if (!socket.authorized) {
    const error: unknown = socket.authorizationError;
    const reason =
      error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.message) : String(error);
    return {
      facts: undefined,
      problem: PROBLEMS[reason] ?? `the client certificate is not good (${reason})`,
    };
  }
  try {
    return { facts: certificateFacts(raw), problem: '' };
  } catch (thrown) {
    return { facts: undefined, problem: thrown instanceof Error ? thrown.message : String(thrown) };
  }
}

/**
 * Listens with TLS of our own and hands every connection on: so a client that is refused can be told why, refusals can be
 * written down, certificates change without a restart, and the connections of one party can be cut. Throws unavailable where the address is taken.
 */
export async function listenSecurely(
  { host, port }: { readonly host: string; readonly port: number },
  security: TlsServerSecurity,
  onConnection: (socket: TLSSocket) => void,
): Promise<SecureListener> {
  const { credential, minVersion, clientCertificates } = security;
  const connections = new Map<string, Connection>();
  const perAddress = new Map<string, number>();
  const server = createServer({
    ...tlsOptions(credential, minVersion),
    // No session tickets: every connection shows its certificate.
    secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
    requestCert: clientCertificates,
    rejectUnauthorized: false,
    ALPNProtocols: ['h2'],
    handshakeTimeout: HANDSHAKE_MS,
  });
  server.maxConnections = security.maxConnections ?? DEFAULT_MAX_CONNECTIONS;

  server.on('connection', (socket: Socket) => {
    const address = socket.remoteAddress ?? '';
    const count = (perAddress.get(address) ?? 0) + 1;
    if (count > (security.maxConnectionsPerAddress ?? DEFAULT_MAX_PER_ADDRESS)) {
      socket.destroy();
      return;
    }
    perAddress.set(address, count);
    socket.once('close', () => {
      const left = (perAddress.get(address) ?? 1) - 1;
      if (left > 0) perAddress.set(address, left);
      else perAddress.delete(address);
    });
  });
  server.on('tlsClientError', (error, socket) => {
    // Who only opened and closed a connection was refused nothing.
    if (isFromTls(error)) security.onHandshakeFailure?.(peerOf(socket), handshakeProblem(error));
    socket.destroy();
  });
  server.on('secureConnection', (socket) => {
    socket.on('error', () => undefined); // whoever uses the connection hears of it
    if (socket.alpnProtocol !== 'h2') {
      socket.destroy();
      return;
    }
    const peer = peerOf(socket);
    const connection = { socket, ...inspect(socket) };
    connections.set(peer, connection);
    const stop = clientCertificates ? cutWhenOver(connection) : () => undefined;
    socket.once('close', () => {
      stop();
      if (connections.get(peer) === connection) connections.delete(peer);
    });
    onConnection(socket);
  });

  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: Error) => {
      reject(
        new FedrotError(
          'unavailable',
          `cannot listen on ${host}:${port}: ${cause.message}; is the address in use?`,
          {
            cause,
          },
        ),
      );
    });
    server.listen({ host, port, ipv6Only: isIP(host) === 6 && host !== '::' }, resolve);
  });
  const bound = server.address();
  return {
    port: typeof bound === 'object' && bound !== null ? bound.port : port,
    problemOf: (peer) => connections.get(peer)?.problem,
    useCredential: (renewed) => {
      server.setSecureContext(tlsOptions(renewed, minVersion));
    },
    cut: (match) => {
      const met = [...connections.values()].filter(({ facts }) => facts !== undefined && match(facts));
      for (const { socket } of met) setTimeout(() => socket.destroy(), FAREWELL_MS).unref();
      return met.length;
    },
    close: () => {
      server.close();
    },
  };
}

function isFromTls(error: Error): boolean {
  const { code = '' } = error as { code?: string };
  return code.startsWith('ERR_SSL') || code.startsWith('ERR_TLS');
}

/** OpenSSL's `routines:…:reason` as its reason. */
function handshakeProblem(error: Error): string {
  const { code, reason } = error as { code?: string; reason?: string };
  return reason ?? code ?? error.message;
}
