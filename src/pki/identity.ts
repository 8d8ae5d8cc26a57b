import { FedrotError } from '../errors.js';
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

export const IDENTITY_KINDS = ['silo', 'operator', 'coordinator', 'signer'] as const satisfies IdentityKind[];

export const IDENTITY_SCHEME = 'fedrot:';

const NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/;

/** Throws option_invalid unless the name is 1 to 63 of a-z 0-9 . _ -, beginning with a letter or digit. */
export function checkName(name: string, what = 'name'): string {
  if (!NAME.test(name))
    throw new FedrotError(
      'option_invalid',
      `${what} ${JSON.stringify(name.slice(0, 80))}: must be 1 to 63 of a-z 0-9 . _ -, beginning with a letter or digit`,
    );
  return name;
}

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
