import { FedrotError } from '../errors.js';

/** Operators' roles; each may do everything that the ones before it may. */
export const ROLES = ['viewer', 'operator', 'admin'] as const;
export type Role = (typeof ROLES)[number];

export function isRole(text: string): text is Role {
  return (ROLES as readonly string[]).includes(text);
}

/**
 * The least role for each method of AdminService (proto/fedrot/v1/admin.proto; a test proves the table total), and for
 * server reflection. Adapters can tell of the data that they were trained on: to see that a run goes well is not to have them.
 */
export const ROLE_OF_METHOD = {
  CreateRun: 'operator',
  ListRuns: 'viewer',
  GetRun: 'viewer',
  WatchRun: 'viewer',
  StopRun: 'operator',
  PauseRun: 'operator',
  ResumeRun: 'operator',
  ListEvents: 'viewer',
  RollbackAdapter: 'operator',
  ListSilos: 'viewer',
  ListAdapters: 'viewer',
  FetchAdapter: 'operator',
  PushBundleFile: 'operator',
  ListBundles: 'viewer',
  CreateToken: 'admin',
  ListTokens: 'admin',
  RevokeToken: 'admin',
  RevokeParty: 'admin',
  ReadmitParty: 'admin',
  GetAuthority: 'viewer',
  ListRoundManifests: 'viewer',
  FetchUpdate: 'admin',
  ReadAudit: 'admin',
  ServerReflectionInfo: 'viewer',
} as const satisfies Readonly<Record<string, Role>>;

export type GuardedMethod = keyof typeof ROLE_OF_METHOD;

/** True where `role` includes `least`. */
function includesRole(role: Role, least: Role): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(least);
}

/** The least role for a method as the proto names it. A method without a row needs admin: what is new is closed. */
export function roleForMethod(method: string): Role {
  return Object.hasOwn(ROLE_OF_METHOD, method) ? ROLE_OF_METHOD[method as GuardedMethod] : 'admin';
}

/** Throws permission_denied unless an operator with `role` may call the method. */
export function requireRole(operator: { readonly name: string; readonly role: Role }, method: string): void {
  const least = roleForMethod(method);
  if (!includesRole(operator.role, least))
    throw new FedrotError(
      'permission_denied',
      `${method} needs the role ${least}; operator ${operator.name} is ${operator.role}. Ask an admin for a credential with that role`,
    );
}
