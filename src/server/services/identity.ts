import { FedrotError } from '../../errors.js';
import { describeIdentity } from '../../pki/identity.js';
import type { CallContext } from '../../rpc/call-context.js';

/** What operators may do, from harmless to all. */
export type Permission = 'view' | 'operate' | 'administer';

/**
 * Who is calling. Every handler asks first. An implementation takes the answer from the connection or a credential
 * and throws unauthenticated or permission_denied; `trustClaims` believes what the message says.
 */
export interface Identity {
  /** The silo that is calling; `claimed` is what the message says. */
  silo(claimed: string, context: CallContext): string;
  /** The name of the operator that is calling, who must have the permission. */
  operator(permission: Permission, context: CallContext): string;
}

/** For loopback in plaintext: silos are who they say they are, and everyone is an operator. */
export const trustClaims: Identity = {
  silo: (claimed) => claimed,
  operator: () => 'operator',
};

/**
 * Silos and operators are who their certificate says. What an operator's role allows was decided before (access/guard.ts): by the
 * method, in one table.
 */
export const byCertificate: Identity = {
  silo: (claimed, { caller, method }) => {
    if (caller?.identity.kind !== 'silo')
      throw new FedrotError('unauthenticated', `${method} needs the certificate of a silo`);
    const { name } = caller.identity;
    if (claimed !== name)
      throw new FedrotError(
        'permission_denied',
        `the certificate is of silo ${name}, but the message speaks for ${JSON.stringify(claimed.slice(0, 80))}: a silo acts for itself only`,
      );
    return name;
  },
  operator: (_permission, { caller, method }) => {
    if (caller?.identity.kind !== 'operator')
      throw new FedrotError('unauthenticated', `${method} needs the certificate of an operator`);
    return describeIdentity(caller.identity);
  },
};

/** Over HTTP operators are who their token says (src/server/http); silos have no business there. */
export const byHttpToken: Identity = {
  silo: (_claimed, { method }) => {
    throw new FedrotError('permission_denied', `${method} is for silos, over gRPC`);
  },
  operator: (_permission, { operator, method }) => {
    if (operator === undefined) throw new FedrotError('unauthenticated', `${method} needs a token`);
    return `operator ${operator.name} (${operator.role})`;
  },
};
