import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export interface DelayProxy {
  /** host:port to connect to. */
  readonly address: string;
  /** Bytes that have gone to the target. */
  readonly sent: number;
  close(): Promise<void>;
}

/** A TCP proxy on loopback that hands on every piece half of `rttMs` after it came, in both directions; bandwidth is not limited. */
export async function startDelayProxy(target: string, rttMs: number): Promise<DelayProxy> {
  const [host = '', port = ''] = target.split(':');
  const sockets = new Set<Socket>();
  let sent = 0;
  const server = createServer({ noDelay: true }, (near) => {
    const far = connect({ host, port: Number(port), noDelay: true });
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on('data', (data) => {
        setTimeout(() => {
          if (to === far) sent += data.length;
          to.write(data);
        }, rttMs / 2);
      });
      from.on('error', () => undefined);
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    get sent() {
      return sent;
    },
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
      });
    },
  };
}
