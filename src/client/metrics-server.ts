import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { FedrotError } from '../errors.js';
import type { SiloMetrics } from './metrics.js';

export interface MetricsServer {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * GET /metrics for Prometheus and /healthz for whoever restarts daemons; everything else is refused. Throws unavailable where the
 * address cannot be listened on. It is the one port that a silo opens, and only where its administrator asks for it.
 */
export function serveMetrics(
  metrics: SiloMetrics,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<MetricsServer> {
  const server = createServer((request, response) => {
    const path = request.url?.split('?')[0];
    const say = (status: number, body: string, type = 'text/plain; charset=utf-8'): void => {
      response.writeHead(status, { 'Content-Type': type }).end(body);
    };
    if (request.method !== 'GET' && request.method !== 'HEAD') say(405, 'only GET\n');
    else if (path === '/healthz') say(200, 'ok\n');
    else if (path === '/metrics')
      metrics.render().then(
        (body) => {
          say(200, body, metrics.contentType);
        },
        () => {
          say(500, 'the metrics could not be collected\n');
        },
      );
    else say(404, 'not found; there are /metrics and /healthz\n');
  });
  return new Promise((resolve, reject) => {
    const failed = (cause: Error): void => {
      reject(
        new FedrotError(
          'unavailable',
          `cannot listen on ${host}:${port} for metrics (metrics.port): ${cause.message}`,
          { cause },
        ),
      );
    };
    server.once('error', failed);
    server.listen(port, host, () => {
      server.off('error', failed);
      resolve({
        port: (server.address() as AddressInfo).port,
        close: () =>
          new Promise((done) => {
            server.close(() => {
              done();
            });
            server.closeAllConnections();
          }),
      });
    });
  });
}
