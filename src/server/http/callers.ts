import type { Context, MiddlewareHandler } from 'hono';
import { getCookie } from 'hono/cookie';
import { getConnInfo } from '@hono/node-server/conninfo';
import { FedrotError } from '../../errors.js';
import type { HttpOperator } from '../../pki/http-token.js';
import { isLoopback } from '../../pki/loopback.js';
import type { HttpTokens } from '../access/http-tokens.js';

/** Who calls over HTTP. */
export interface HttpCaller {
  readonly operator: HttpOperator;
  /** False: nobody is asked for a token at this address. */
  readonly byToken: boolean;
}

export interface CallersOptions {
  readonly tokens: HttpTokens;
  /** What everybody may do who shows no token; undefined: nothing. */
  readonly open?: HttpOperator | undefined;
  /** Names that the HTTP side is asked under, beside loopback and addresses. */
  readonly hosts: readonly string[];
}

/** Keeps the token out of reach of scripts; sent to this host only, and by its own pages only. */
export const TOKEN_COOKIE = 'fedrot_token';

export interface CallerVariables {
  Variables: { caller: HttpCaller | undefined };
}

/** Puts who calls into the context. Throws unauthenticated for a token that is not good. */
export function identifyCaller(options: CallersOptions): MiddlewareHandler<CallerVariables> {
  return async (context, next) => {
    context.set('caller', callerOf(context, options));
    await next();
  };
}

function callerOf(context: Context, { tokens, open, hosts }: CallersOptions): HttpCaller | undefined {
  const shown = bearerToken(context);
  if (shown !== undefined) {
    const operator = tokens.find(shown);
    if (operator) return { operator, byToken: true };
    throw new FedrotError('unauthenticated', 'this token is not known here, has expired or was revoked');
  }
  // A cookie that has lost its worth is as if it were not there: its owner is asked to sign in.
  const kept = getCookie(context, TOKEN_COOKIE);
  const operator = kept === undefined ? undefined : tokens.find(kept);
  if (operator) return { operator, byToken: true };
  if (open === undefined) return undefined;
  // Scrapers ask for /metrics under whatever name the network gives us, and it says nothing that is secret.
  if (context.req.path.startsWith('/api/')) requireOwnName(context, hosts);
  return { operator: open, byToken: false };
}

function bearerToken(context: Context): string | undefined {
  const [scheme = '', token] = (context.req.header('authorization') ?? '').split(' ');
  return scheme.toLowerCase() === 'bearer' ? token : undefined;
}

/**
 * Where no token is asked for, a page of somebody else whose name was pointed at this address (DNS rebinding) would be let in by
 * the browser: only names are answered that nobody else can own.
 */
function requireOwnName(context: Context, hosts: readonly string[]): void {
  const name = hostName(context.req.header('host') ?? '');
  if (isLoopback(name) || name.endsWith('.localhost') || /^[\d.]+$|:/.test(name) || hosts.includes(name))
    return;
  throw new FedrotError(
    'permission_denied',
    `this address is not asked under the name ${JSON.stringify(name.slice(0, 80))}; add it to security.hosts, or ask for a token (http.auth)`,
  );
}

/** `host:port` without its port and brackets. */
function hostName(host: string): string {
  return host
    .replace(/:\d+$/, '')
    .replace(/^\[|\]$/g, '')
    .toLowerCase();
}

/** Refuses what changes something unless it comes from our own pages or from no browser at all (cross-site request forgery). */
export const fromOwnPages: MiddlewareHandler = async (context, next) => {
  const { method } = context.req;
  if (method !== 'GET' && method !== 'HEAD') {
    const site = context.req.header('sec-fetch-site');
    const origin = context.req.header('origin');
    const foreign =
      (site !== undefined && site !== 'same-origin' && site !== 'none') ||
      (origin !== undefined && origin.replace(/^https?:\/\//, '') !== context.req.header('host'));
    if (foreign)
      throw new FedrotError(
        'permission_denied',
        'requests that change something come from the dashboard itself',
      );
    if (method === 'POST' && !/^application\/json\b/.test(context.req.header('content-type') ?? ''))
      throw new FedrotError('option_invalid', 'the body must be JSON: Content-Type: application/json');
  }
  await next();
};

/** address:port of the other side. */
export function peerOf(context: Context): string {
  try {
    const { address = 'unknown', port = 0 } = getConnInfo(context).remote;
    return `${address}:${port}`;
  } catch {
    return 'unknown:0'; // no socket: a request that a test makes
  }
}
