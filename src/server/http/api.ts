import { randomUUID } from 'node:crypto';
import { Hono, type Context } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { compress } from 'hono/compress';
import { asFedrotError, FedrotError } from '../../errors.js';
import type { AuditLog } from '../../evidence/audit.js';
import { requireRole } from '../../pki/roles.js';
import type { CallEnd } from '../../rpc/interceptors.js';
import type { AdminHandlers } from '../../rpc/services.js';
import type { Access } from '../access/access.js';
import type { HttpTokens } from '../access/http-tokens.js';
import { RateLimit } from '../access/rate-limit.js';
import type { Coordinator } from '../coordinator/coordinator.js';
import type { ModelTools } from '../model-tools.js';
import { BundleShelf } from './bundles.js';
import { fromOwnPages, peerOf, type CallerVariables } from './callers.js';
import { errorBody, HTTP_STATUS, isOurs } from './errors.js';
import { apiRequest, type Route } from './route.js';
import { adapterRoutes } from './routes-adapters.js';
import { runRoutes } from './routes-runs.js';
import { siloRoutes } from './routes-silos.js';
import { RunSeriesCache } from './run-series.js';
import { sessionOf, signIn, signOut } from './session.js';
import { openStream } from './stream.js';

export interface ApiOptions {
  readonly coordinator: Coordinator;
  /** AdminService for callers over HTTP: what gRPC checks and writes down is checked and written down here. */
  readonly handlers: AdminHandlers;
  readonly access: Access;
  readonly tokens: HttpTokens;
  readonly audit: AuditLog;
  readonly software: string;
  readonly grpcPort: () => number;
  readonly models?: ModelTools | undefined;
  /** Told of refusals. */
  readonly onCallEnd: (end: CallEnd) => void;
}

/** Specifications and reasons; adapters do not come in over HTTP. */
const MAX_BODY_BYTES = 1024 * 1024;

const ATTEMPTS = { perSecond: 0.5, burst: 20 };

/** Everything but sessions and the stream. */
export function apiRoutes(options: ApiOptions, series: RunSeriesCache): readonly Route[] {
  const shelf = new BundleShelf(options.coordinator);
  return [
    ...runRoutes({ ...options, series, shelf }),
    ...adapterRoutes({ ...options, series, shelf }),
    ...siloRoutes(options),
  ];
}

/** Everything below /api/v1 (docs/http-api.md); who calls is in the context already. */
export function createApi(options: ApiOptions): Hono<CallerVariables> {
  const { coordinator, software } = options;
  const app = new Hono<CallerVariables>();
  const series = new RunSeriesCache(coordinator.store);
  const instance = randomUUID();
  const session = { ...options, attempts: new RateLimit(coordinator.clock, ATTEMPTS) };

  app.use(compress());
  app.use(bodyLimit({ maxSize: MAX_BODY_BYTES, onError: tooLarge }));
  app.use(async (context, next) => {
    context.header('Cache-Control', 'no-store');
    await next();
  });
  app.use(fromOwnPages);
  app.onError((thrown, context) => failed(thrown, context, options));

  app.get('/session', (context) => context.json(sessionOf(context, session)));
  app.post('/session', async (context) => context.json(await signIn(context, session)));
  app.delete('/session', (context) => {
    signOut(context);
    return context.body(null, 204);
  });
  app.get('/stream', (context) => {
    authorize(context, 'WatchRun');
    return openStream(context, { coordinator, series, software, instance });
  });
  for (const route of apiRoutes(options, series))
    app.on(route.method, route.path, async (context) => {
      authorize(context, route.as);
      const answer = await route.handle(apiRequest(context, route));
      return answer instanceof Response ? answer : context.json(answer);
    });
  app.all('*', (context) => {
    throw new FedrotError(
      'not_found',
      `there is no ${context.req.method} ${context.req.path}; see docs/http-api.md`,
    );
  });
  return app;
}

/** Throws unauthenticated, permission_denied. */
function authorize(context: Context<CallerVariables>, method: string): void {
  const caller = context.get('caller');
  if (caller === undefined)
    throw new FedrotError('unauthenticated', 'sign in first: a token is needed (Authorization: Bearer …)');
  requireRole(caller.operator, method);
}

function tooLarge(): never {
  throw new FedrotError('message_too_large', `the body is larger than ${MAX_BODY_BYTES} bytes`);
}

const REFUSED: ReadonlySet<string> = new Set(['unauthenticated', 'permission_denied']);

function failed(thrown: unknown, context: Context<CallerVariables>, options: ApiOptions): Response {
  const error = asFedrotError(thrown);
  const { method, path } = context.req;
  const { logger } = options.coordinator;
  if (isOurs(error)) logger.error({ err: thrown, method, path }, 'an HTTP request failed');
  // A page that has not signed in yet asks too: that is no attempt at anything.
  const isAttempt = error.code !== 'unauthenticated' || context.req.header('authorization') !== undefined;
  if (REFUSED.has(error.code) && isAttempt) {
    const { code, message } = error;
    options.onCallEnd({
      service: 'HTTP',
      method: `${method} ${path}`,
      code,
      peer: peerOf(context),
      message,
    });
  }
  if (error.code === 'unauthenticated') context.header('WWW-Authenticate', 'Bearer realm="fedrot"');
  return context.json(errorBody(error), HTTP_STATUS[error.code]);
}
