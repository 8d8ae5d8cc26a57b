import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type ConnectionOptions, type TLSSocket, type TlsOptions } from 'node:tls';

/** What came of one connection, seen from both sides. */
export interface Handshake {
  /** Undefined where the client was served; else what it was told. */
  readonly client: string | undefined;
  /** DER of the certificate that the server accepted. */
  readonly accepted: Buffer | undefined;
  readonly protocol: string | undefined;
  readonly cipher: string | undefined;
  /** What the server saw go wrong. */
  readonly server: string | undefined;
}

const messageOf = (error: unknown): string => {
  const { message, code } = error as NodeJS.ErrnoException;
  return `${code ?? ''} ${message}`.trim();
};

/**
 * A real server on port 0 and one client, which counts as served once a byte came back. With `strict` Node itself drops
 * whoever has no good certificate; without, the server lets the handshake pass, then looks, and tells the client why it is
 * refused, as the coordinator does.
 */
export async function handshake(
  serverOptions: TlsOptions,
  clientOptions: ConnectionOptions,
  strict = false,
): Promise<Handshake> {
  let accepted: Buffer | undefined;
  let server: string | undefined;
  const options = { requestCert: true, rejectUnauthorized: strict, ...serverOptions };
  const listener = createServer(options, (socket) => {
    socket.on('error', () => {});
    const { raw } = socket.getPeerCertificate() as { raw?: Buffer };
    if (socket.authorized) accepted = raw;
    else server = raw ? String(socket.authorizationError) : 'no certificate';
    socket.end(server ?? 'served');
  });
  listener.on('tlsClientError', (error) => {
    server = messageOf(error);
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  const socket = connect({ host: 'localhost', port, ...clientOptions });
  const client = await served(socket);
  const protocol = socket.getProtocol() ?? undefined;
  const cipher = (socket.getCipher() as { name?: string } | undefined)?.name;
  socket.destroy();
  listener.close();
  await once(listener, 'close');
  return { client, accepted, protocol, cipher, server };
}

/** In TLS 1.3 a client learns of a refused certificate only after its own handshake: with its first read. */
function served(socket: TLSSocket): Promise<string | undefined> {
  return new Promise((resolve) => {
    socket.once('data', (data: Buffer) => {
      const text = data.toString();
      resolve(text === 'served' ? undefined : text);
    });
    socket.once('error', (error) => resolve(messageOf(error)));
    socket.once('close', () => resolve('closed'));
  });
}
