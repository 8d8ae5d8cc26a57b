import type { Context } from 'hono';
import type { z } from 'zod';
import { FedrotError } from '../../errors.js';
import type { GuardedMethod } from '../../pki/roles.js';
import type { CallContext } from '../../rpc/call-context.js';
import { describeIssues } from '../../read-config.js';
import { peerOf, type CallerVariables } from './callers.js';

/** One request, after its caller was found good enough. */
export interface ApiRequest {
  readonly context: Context<CallerVariables>;
  /** As gRPC handlers get it: the same checks, the same entries in the audit log. */
  readonly call: CallContext;
  /** A part of the path, e.g. `run`. */
  readonly param: (name: string) => string;
  /** A part of the path or query as a whole number of at least 0. Throws option_invalid. */
  readonly number: (name: string, otherwise?: number) => number;
  /** The body by a schema. Throws option_invalid with where it is wrong. */
  readonly body: <T>(schema: z.ZodType<T>) => Promise<T>;
}

export interface Route {
  readonly method: 'GET' | 'POST';
  /** Below /api/v1. */
  readonly path: string;
  /** The method of AdminService that it does the work of: its row in the table of roles (src/pki/roles.ts) counts here too. */
  readonly as: GuardedMethod;
  /** One line for docs/http-api.md. */
  readonly about: string;
  /** Its answer as JSON, or a whole response. */
  readonly handle: (request: ApiRequest) => Promise<Response | object>;
}

export function apiRequest(context: Context<CallerVariables>, route: Route): ApiRequest {
  const operator = context.get('caller')?.operator;
  const param = (name: string): string => context.req.param(name) ?? '';
  return {
    context,
    param,
    call: {
      service: 'HTTP',
      method: `${route.as[0]?.toLowerCase() ?? ''}${route.as.slice(1)}`,
      peer: peerOf(context),
      ...(operator && { operator }),
      metadata: () => undefined,
      signal: context.req.raw.signal,
    },
    number: (name, otherwise) => {
      const text = context.req.param(name) ?? context.req.query(name);
      if (text === undefined && otherwise !== undefined) return otherwise;
      if (text !== undefined && /^\d{1,15}$/.test(text)) return Number(text);
      throw new FedrotError('option_invalid', `${name}: must be a whole number of at least 0`);
    },
    body: async (schema) => {
      let json: unknown;
      try {
        json = await context.req.json();
      } catch (cause) {
        throw new FedrotError('option_invalid', 'the body is not JSON', { cause });
      }
      const parsed = schema.safeParse(json);
      if (!parsed.success) throw new FedrotError('option_invalid', describeIssues(parsed.error));
      return parsed.data;
    },
  };
}
