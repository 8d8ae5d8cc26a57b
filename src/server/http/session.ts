import type { Context } from 'hono';
import { deleteCookie, setCookie } from 'hono/cookie';
import { z } from 'zod';
import type { Session } from '../../api/types.js';
import type { AuditLog } from '../../evidence/audit.js';
import { FedrotError } from '../../errors.js';
import { describeIssues } from '../../read-config.js';
import type { Access } from '../access/access.js';
import type { HttpTokens } from '../access/http-tokens.js';
import type { RateLimit } from '../access/rate-limit.js';
import type { Coordinator } from '../coordinator/coordinator.js';
import { peerOf, TOKEN_COOKIE, type CallerVariables } from './callers.js';

export interface SessionOptions {
  readonly coordinator: Coordinator;
  readonly access: Access;
  readonly tokens: HttpTokens;
  readonly audit: AuditLog;
  readonly attempts: RateLimit;
  readonly software: string;
  readonly grpcPort: () => number;
}

/** A browser stays signed in so long; the token's own end and its revocation count all the same. */
const COOKIE_SECONDS = 30 * 86_400;

const signInSchema = z.strictObject({ token: z.string().min(1).max(500) });

/** Who the caller is, and whom he talks to. Asked without a token, so that the page can say what is missing. */
export function sessionOf(context: Context<CallerVariables>, options: SessionOptions): Session {
  const { coordinator, access, software, grpcPort } = options;
  const caller = context.get('caller');
  return {
    signedIn: caller !== undefined,
    name: caller?.operator.name ?? null,
    role: caller?.operator.role ?? null,
    byToken: caller?.byToken ?? false,
    coordinator: access.coordinator,
    software,
    security: access.mode,
    grpcPort: grpcPort(),
    fingerprint: access.fingerprint,
    nowMs: coordinator.clock.now(),
  };
}

/** Takes a token and keeps it in a cookie that scripts cannot read. Throws unauthenticated, quota_exceeded. */
export async function signIn(context: Context<CallerVariables>, options: SessionOptions): Promise<Session> {
  const peer = peerOf(context);
  options.attempts.take(peer.slice(0, peer.lastIndexOf(':')), 'attempts to sign in from your address');
  const parsed = signInSchema.safeParse(await context.req.json().catch(() => undefined));
  if (!parsed.success) throw new FedrotError('option_invalid', describeIssues(parsed.error));
  const token = parsed.data.token.trim();
  const operator = options.tokens.find(token);
  if (operator === undefined)
    throw new FedrotError(
      'unauthenticated',
      'this token is not known here, has expired or was revoked; was all of it copied?',
    );
  await options.audit.record({
    actor: `operator:${operator.name}`,
    action: 'dashboard.sign-in',
    object: operator.role,
    outcome: 'ok',
    peer: peer.slice(0, 200),
  });
  setCookie(context, TOKEN_COOKIE, token, {
    httpOnly: true,
    sameSite: 'Strict',
    secure: isHttps(context),
    path: '/',
    maxAge: COOKIE_SECONDS,
  });
  context.set('caller', { operator, byToken: true });
  return sessionOf(context, options);
}

export function signOut(context: Context<CallerVariables>): void {
  deleteCookie(context, TOKEN_COOKIE, { path: '/', secure: isHttps(context) });
}

/** TLS ends at a proxy in front of the HTTP side. */
const isHttps = (context: Context): boolean => context.req.header('x-forwarded-proto') === 'https';
