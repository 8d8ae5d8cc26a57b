import { expect, test } from 'vitest';
import { requireRole, ROLE_OF_METHOD, roleForMethod, ROLES } from '../../src/pki/roles.js';
import { readRepoFile } from '../support/repo.js';
import { codeOf } from '../support/code-of.js';

const methods = [...readRepoFile('proto/fedrot/v1/admin.proto').matchAll(/^ {2}rpc (\w+)\(/gm)].map(
  ([, name]) => name!,
);

test('every method of AdminService has a least role, and no row is for a method that is gone', () => {
  expect(methods.length).toBeGreaterThan(5);
  expect(Object.keys(ROLE_OF_METHOD).sort()).toEqual([...methods, 'ServerReflectionInfo'].sort());
});

test('a method without a row, and what looks like one, needs admin', () => {
  for (const method of ['DropEverything', 'toString', '__proto__', ''])
    expect(roleForMethod(method)).toBe('admin');
});

test('each role may do what the ones before it may', () => {
  const allowed = (role: (typeof ROLES)[number]) =>
    methods.filter((method) => codeOf(() => requireRole({ name: 'x', role }, method)) === 'nothing thrown');
  const [viewer, operator, admin] = ROLES.map(allowed);
  expect(viewer).toEqual(expect.arrayContaining(['ListRuns', 'WatchRun']));
  expect(viewer).not.toContain('CreateRun');
  expect(viewer).not.toContain('FetchAdapter');
  expect(operator).toEqual(expect.arrayContaining(viewer!));
  expect(admin).toEqual(methods);
});

test('a refusal names method, role needed, operator and role held', () => {
  const call = () => requireRole({ name: 'ada', role: 'viewer' }, 'StopRun');
  expect(call).toThrow(/StopRun needs the role operator; operator ada is viewer/);
  expect(codeOf(call)).toBe('permission_denied');
});
