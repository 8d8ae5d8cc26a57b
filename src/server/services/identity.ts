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

/** For loopback and trusted networks: silos are who they say they are, and everyone is an operator. */
export const trustClaims: Identity = {
  silo: (claimed) => claimed,
  operator: () => 'operator',
};
