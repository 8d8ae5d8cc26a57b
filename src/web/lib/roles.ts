import type { Role } from '../../api/types.js';

const ORDER: readonly Role[] = ['viewer', 'operator', 'admin'];

/** Whether somebody of this role is offered what needs `least`. The coordinator decides again, by its own table. */
export function mayAct(role: Role | null, least: Role): boolean {
  return role !== null && ORDER.indexOf(role) >= ORDER.indexOf(least);
}
