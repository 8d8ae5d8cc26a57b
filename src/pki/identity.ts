import { checkName, NAME } from '../name.js';
import { isRole, type Role } from './roles.js';

/**
 * Who a certificate is for. It stands in the certificate as one URI among the subject alternative names (RFC 5280,
 * 4.2.1.6), so that no field of a message and no form of the subject's name can be taken for it:
 *
 *   fedrot:silo:NAME   fedrot:coordinator:NAME   fedrot:signer:NAME   fedrot:operator:NAME:ROLE
 */
export type Identity =
  | { readonly kind: 'silo' | 'coordinator' | 'signer'; readonly name: string }
  | { readonly kind: 'operator'; readonly name: string; readonly role: Role };

export type IdentityKind = Identity['kind'];

export const IDENTITY_SCHEME = 'fedrot:';

export function identityUri(identity: Identity): string {
  const { kind } = identity;
  const name = checkName(identity.name, `${kind} name`);
  return `${IDENTITY_SCHEME}${kind}:${name}${kind === 'operator' ? `:${identity.role}` : ''}`;
}

/** Undefined where the text is not exactly one of the four forms. */
export function parseIdentityUri(uri: string): Identity | undefined {
  const [scheme, kind, name = '', role, ...rest] = uri.split(':');
  if (`${scheme}:` !== IDENTITY_SCHEME || rest.length > 0 || !NAME.test(name)) return undefined;
  if (kind === 'operator') return role !== undefined && isRole(role) ? { kind, name, role } : undefined;
  if (role !== undefined) return undefined;
  return kind === 'silo' || kind === 'coordinator' || kind === 'signer' ? { kind, name } : undefined;
}

/** `silo hospital-a`, `operator ada (admin)`: for messages and logs. */
export function describeIdentity(identity: Identity): string {
  const { kind, name } = identity;
  return kind === 'operator' ? `operator ${name} (${identity.role})` : `${kind} ${name}`;
}

/** What revocation by name and quotas go by: the role is not part of it. */
export function identityKey(identity: Pick<Identity, 'kind' | 'name'>): string {
  return `${identity.kind}:${identity.name}`;
}
