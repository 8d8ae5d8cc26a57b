import { serve, type ServerType } from '@hono/node-server';
import { Hono, type MiddlewareHandler } from 'hono';
import { FedrotError } from '../errors.js';
import type { Logger } from '../log.js';
import { tokenMatches } from '../pki/secret-token.js';

export interface HttpOptions {
  readonly host: string;
  readonly port: number;
  readonly logger: Logger;
  readonly metrics: () => Promise<{ readonly body: string; readonly contentType: string }>;
  /** Reasons why no work can be taken; empty when ready. */
  readonly notReady: () => Promise<readonly string[]>;
  /** SHA-256 of the bearer token that everything but /healthz and /readyz needs, hex; default: none is needed. */
  readonly tokenSha256?: string;
  /** Adds routes, e.g. the dashboard's. */
  readonly extend?: (app: Hono) => void;
}

export interface HttpServer {
  readonly port: number;
  close(): Promise<void>;
}

/** /metrics for Prometheus, /healthz (the process lives) and /readyz (it can work), and whatever `extend` adds. */
export function createHttpApp(options: Omit<HttpOptions, 'host' | 'port'>): Hono {
  const app = new Hono();
  const { tokenSha256 } = options;
  if (tokenSha256 !== undefined) app.use(requireToken(tokenSha256));
  app.get('/healthz', (context) => context.text('ok\n'));
  app.get('/readyz', async (context) => {
    const reasons = await options.notReady();
    return reasons.length === 0
      ? context.text('ready\n')
      : context.text(`not ready: ${reasons.join('; ')}\n`, 503);
  });
  app.get('/metrics', async (context) => {
    const { body, contentType } = await options.metrics();
    return context.body(body, 200, { 'Content-Type': contentType });
  });
  options.extend?.(app);
  app.notFound((context) => context.text('not found\n', 404));
  app.onError((error, context) => {
    options.logger.error({ err: error, path: context.req.path }, 'an HTTP request failed');
    return context.text('internal error; the log says more\n', 500);
  });
  return app;
}

/** What load balancers and orchestrators ask without a credential. */
const OPEN_PATHS: ReadonlySet<string> = new Set(['/healthz', '/readyz']);

function requireToken(sha256: string): MiddlewareHandler {
  return async (context, next) => {
    const [scheme = '', token = ''] = (context.req.header('authorization') ?? '').split(' ');
    const isGood = scheme.toLowerCase() === 'bearer' && tokenMatches(token, sha256);
    if (OPEN_PATHS.has(context.req.path) || isGood) {
      await next();
      return;
    }
    context.header('WWW-Authenticate', 'Bearer realm="fedrot"');
    return context.text(
      'a token is needed: Authorization: Bearer … (http.tokenFile of the coordinator)\n',
      401,
    );
  };
}

/** Throws unavailable where the address cannot be listened on. */
export function startHttp(options: HttpOptions): Promise<HttpServer> {
  const { host, port, logger } = options;
  return new Promise((resolve, reject) => {
    const server: ServerType = serve(
      { fetch: createHttpApp(options).fetch, hostname: host, port },
      (bound) => {
        server.off('error', failed);
        server.on('error', (error) => {
          logger.error({ err: error }, 'the HTTP server failed');
        });
        resolve({ port: bound.port, close: () => closeServer(server) });
      },
    );
    const failed = (cause: Error): void => {
      reject(
        new FedrotError('unavailable', `cannot listen on http ${host}:${port}: ${cause.message}`, { cause }),
      );
    };
    server.once('error', failed);
  });
}

function closeServer(server: ServerType): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => {
      resolve();
    });
    if ('closeAllConnections' in server) server.closeAllConnections();
  });
}
