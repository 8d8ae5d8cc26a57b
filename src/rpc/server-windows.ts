import type { ServerHttp2Session } from 'node:http2';
import type { Server } from '@grpc/grpc-js';

/** HTTP/2's own window of a stream (RFC 9113, 6.9.2): what a caller may send before the handler has taken anything. */
const NARROW_BYTES = 65_535;

/** What is used of grpc-js beyond its interface: it has no option for a server's windows. test/rpc/windows.test.ts fails where that changes. */
interface Internals {
  readonly http2Servers?: ReadonlyMap<
    { on(event: 'session', listener: (session: ServerHttp2Session) => void): unknown },
    unknown
  >;
}

interface Connection {
  readonly session: ServerHttp2Session;
  users: number;
}

/**
 * The receive windows of a server's connections. What one upload can reach is its window divided by the round-trip time (64 KiB over 50 ms:
 * 1.3 MB/s), and what waits in memory is at most the windows of all. So a connection's streams begin with the narrow window and have
 * the wide one while something is being received on it.
 */
export class ServerWindows {
  readonly #connections = new Map<string, Connection>();

  /** `wideBytes`: of a connection that is being received from. */
  constructor(private readonly wideBytes: number) {}

  /** Watches the connections of everything that the server listens on, or was told to: call it after that. */
  watch(server: Server): void {
    const { http2Servers } = server as unknown as Internals;
    for (const listener of http2Servers?.keys() ?? [])
      listener.on('session', (session) => {
        this.#add(session);
      });
  }

  #add(session: ServerHttp2Session): void {
    const { remoteAddress = '', remotePort = 0 } = session.socket;
    // As grpc-js writes a call's peer.
    const peer = `${remoteAddress}:${remotePort}`;
    const connection = { session, users: 0 };
    this.#connections.set(peer, connection);
    session.once('close', () => {
      if (this.#connections.get(peer) === connection) this.#connections.delete(peer);
    });
    // The window of the connection as a whole: Node gives that back at once, so it holds nothing in memory.
    if (this.wideBytes > NARROW_BYTES) session.setLocalWindowSize(this.wideBytes);
  }

  /** Widens the windows of the connection's streams until the returned function is called; once for every call of this. */
  widen(peer: string): () => void {
    const connection = this.#connections.get(peer);
    if (connection === undefined) return () => undefined;
    if (connection.users++ === 0) this.#set(connection, this.wideBytes);
    let over = false;
    return () => {
      if (over) return;
      over = true;
      if (--connection.users === 0) this.#set(connection, NARROW_BYTES);
    };
  }

  #set({ session }: Connection, initialWindowSize: number): void {
    if (!session.destroyed && !session.closed) session.settings({ initialWindowSize });
  }
}
