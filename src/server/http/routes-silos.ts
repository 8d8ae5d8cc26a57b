import { z } from 'zod';
import type { CreatedToken, SiloView, TokenView } from '../../api/types.js';
import { identityKey } from '../../pki/identity.js';
import type { AdminHandlers } from '../../rpc/services.js';
import type { TokenInput } from '../../rpc/gen/fedrot/v1/Token.js';
import type { Access } from '../access/access.js';
import type { Coordinator } from '../coordinator/coordinator.js';
import type { Route } from './route.js';
import { siloView } from './views.js';

export interface SiloRoutesOptions {
  readonly coordinator: Coordinator;
  readonly handlers: AdminHandlers;
  readonly access: Access;
}

const tokenSchema = z.strictObject({
  kind: z.string().max(40),
  name: z.string().max(100),
  role: z.string().max(40).default(''),
  lifetimeMs: z.int().min(0).default(0),
});
const revokeSchema = z.strictObject({ reason: z.string().max(500).default('') });
const emptySchema = z.strictObject({});

/** Silos, and who may join or sign in. */
export function siloRoutes({ coordinator, handlers, access }: SiloRoutesOptions): readonly Route[] {
  return [
    {
      method: 'GET',
      path: '/silos',
      as: 'ListSilos',
      about: 'every silo that was ever here, in order of name: SiloView[]',
      handle: async (): Promise<readonly SiloView[]> => {
        const stored = await coordinator.store.silos();
        const out = access.revocations.names;
        return stored.map((silo) => {
          const live = coordinator.silos.get(silo.silo);
          const seen = {
            connected: live?.connected ?? false,
            lastSeenMs: live?.record.lastSeenMs ?? silo.lastSeenMs,
          };
          return siloView(silo, seen, Object.hasOwn(out, identityKey({ kind: 'silo', name: silo.silo })));
        });
      },
    },
    {
      method: 'POST',
      path: '/silos/:silo/revoke',
      as: 'RevokeParty',
      about: 'puts a silo out at once, with { reason }',
      handle: async ({ param, body, call }) => {
        const { reason } = await body(revokeSchema);
        return handlers.revokeParty({ kind: 'silo', name: param('silo'), serial: '', reason }, call);
      },
    },
    {
      method: 'POST',
      path: '/silos/:silo/readmit',
      as: 'ReadmitParty',
      about: 'lets a silo that was put out enrol again; the body is {}',
      handle: async ({ param, body, call }) => {
        await body(emptySchema);
        return handlers.readmitParty({ kind: 'silo', name: param('silo') }, call);
      },
    },
    {
      method: 'GET',
      path: '/tokens',
      as: 'ListTokens',
      about: 'tokens for enrolment and for the dashboard: TokenView[]',
      handle: async ({ call }): Promise<readonly TokenView[]> => {
        const { tokens = [] } = await handlers.listTokens({}, call);
        return tokens.map(tokenView);
      },
    },
    {
      method: 'POST',
      path: '/tokens',
      as: 'CreateToken',
      about:
        'makes a token from { kind, name, role?, lifetimeMs? }; it is shown in this answer only: CreatedToken',
      handle: async ({ body, call }): Promise<CreatedToken> => {
        const {
          token = '',
          fingerprint = '',
          address = '',
          record,
        } = await handlers.createToken(await body(tokenSchema), call);
        return { token, fingerprint, address, record: tokenView(record ?? {}) };
      },
    },
    {
      method: 'POST',
      path: '/tokens/:id/revoke',
      as: 'RevokeToken',
      about: 'makes a token worthless; the body is {}: TokenView',
      handle: async ({ param, body, call }) => {
        await body(emptySchema);
        return tokenView(await handlers.revokeToken({ id: param('id') }, call));
      },
    },
  ];
}

function tokenView(token: TokenInput): TokenView {
  const { id = '', kind = '', name = '', role = '', state = '', createdBy = '' } = token;
  const { createdMs, expiresMs, usedMs } = token;
  const ms = (value: TokenInput['createdMs']): number => Number(value ?? 0);
  return {
    id,
    kind,
    name,
    role,
    state,
    createdBy,
    createdMs: ms(createdMs),
    expiresMs: ms(expiresMs),
    usedMs: ms(usedMs),
  };
}
