import { createPublicKey, type KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { createAuthority, type Authority } from '../../../src/pki/authority.js';
import type { Credential } from '../../../src/pki/credential.js';
import type { Identity } from '../../../src/pki/identity.js';
import { issueCertificate, type IssuedCertificate } from '../../../src/pki/issue.js';
import { generateKey } from '../../../src/pki/keys.js';

export const DAY = 86_400_000;

export const silo = (name: string): Identity => ({ kind: 'silo', name });

export const COORDINATOR: Identity = { kind: 'coordinator', name: 'main' };

export const authorityAt = (nowMs: number, name = 'consortium'): Promise<Authority> =>
  createAuthority({ name, nowMs });

/** A party with a key of its own and a certificate. */
export async function party(
  authority: Authority,
  identity: Identity,
  options: { nowMs: number; validityDays?: number; key?: KeyObject; hosts?: readonly string[] },
): Promise<Credential & { issued: IssuedCertificate }> {
  const { key = generateKey(), ...rest } = options;
  const issued = await issueCertificate(authority, {
    publicKey: createPublicKey(key),
    identity,
    ...(identity.kind === 'coordinator' && { hosts: ['localhost', '127.0.0.1'] }),
    ...rest,
  });
  return {
    key,
    certificates: [issued.certificate, ...authority.intermediates],
    roots: [authority.root],
    facts: issued,
    issued,
  };
}

/** A folder that is gone after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'fedrot-pki-'));
  onTestFinished(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}
