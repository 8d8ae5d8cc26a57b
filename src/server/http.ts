import { serve, type ServerType } from '@hono/node-server';
import { Hono, type MiddlewareHandler } from 'hono';
import { asFedrotError, FedrotError } from '../errors.js';
import type { Logger } from '../log.js';
import { securityHeaders } from './http/dashboard.js';
import type { CallerVariables } from './http/callers.js';
import { errorBody, HTTP_STATUS, isOurs } from './http/errors.js';

export interface HttpOptions {
  readonly host: string;
  readonly port: number;
  readonly logger: Logger;
  readonly metrics: () => Promise<{ readonly body: string; readonly contentType: string }>;
  /** Reasons why no work can be taken; empty when ready. */
  readonly notReady: () => Promise<readonly string[]>;
  /** Puts who calls into the context; /metrics is for callers only. Default: everybody may. */
  readonly identify?: MiddlewareHandler<CallerVariables>;
  /** The API below /api/v1, and the dashboard for everything else; default: there is none. */
  readonly api?: Hono<CallerVariables>;
  readonly dashboard?: Hono;
  /** Adds routes. */
  readonly extend?: (app: Hono<CallerVariables>) => void;
}

export interface HttpServer {
  readonly port: number;
  close(): Promise<void>;
}

/** /metrics for Prometheus, /healthz (the process lives) and /readyz (it can work), the API, the dashboard, and whatever `extend` adds. */
export function createHttpApp(options: Omit<HttpOptions, 'host' | 'port'>): Hono<CallerVariables> {
  const app = new Hono<CallerVariables>();
  const { identify, api, dashboard } = options;
  app.use(securityHeaders);
  app.get('/healthz', (context) => context.text('ok\n'));
  app.get('/readyz', async (context) => {
    const reasons = await options.notReady();
    return reasons.length === 0
      ? context.text('ready\n')
      : context.text(`not ready: ${reasons.join('; ')}\n`, 503);
  });
  if (identify !== undefined) app.use(identify);
  app.get('/metrics', async (context) => {
    if (identify !== undefined && context.get('caller') === undefined)
      throw new FedrotError('unauthenticated', NEEDS_TOKEN);
    const { body, contentType } = await options.metrics();
    return context.body(body, 200, { 'Content-Type': contentType });
  });
  options.extend?.(app);
  if (api) app.route('/api/v1', api);
  if (dashboard) app.route('/', dashboard);
  app.notFound((context) => context.text('not found\n', 404));
  app.onError((thrown, context) => {
    const error = asFedrotError(thrown);
    if (isOurs(error))
      options.logger.error({ err: thrown, path: context.req.path }, 'an HTTP request failed');
    if (error.code === 'unauthenticated') context.header('WWW-Authenticate', 'Bearer realm="fedrot"');
    return context.text(`${errorBody(error).error.message}\n`, HTTP_STATUS[error.code]);
  });
  return app;
}

const NEEDS_TOKEN = 'a token is needed: Authorization: Bearer … (http.tokenFile of the coordinator)';

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
