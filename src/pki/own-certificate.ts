import { createPublicKey } from 'node:crypto';
import { isIP } from 'node:net';
import type { Authority } from './authority.js';
import type { Credential } from './credential.js';
import { hasCredential, readCredential, writeCredential } from './credential-files.js';
import { issueCertificate } from './issue.js';
import { generateKey, generateSigningKey } from './keys.js';
import { renewalState } from './renewal.js';

/**
 * The credential of a party that lives beside the authority: the coordinator itself, its signer of evidence. Kept in a
 * folder; made anew where it is missing, comes from another authority, is due for renewal, or does not name a host.
 */
export async function ensureOwnCredential(options: {
  readonly folder: string;
  readonly authority: Authority;
  readonly identity: { readonly kind: 'coordinator' | 'signer'; readonly name: string };
  /** Names and addresses under which the coordinator is reached; none for a signer. */
  readonly hosts?: readonly string[];
  readonly nowMs: number;
}): Promise<{ credential: Credential; created: boolean }> {
  const { folder, authority, identity, hosts = [], nowMs } = options;
  if (hasCredential(folder)) {
    const credential = readCredential(folder);
    if (isGood(credential, options)) return { credential, created: false };
  }
  const key = identity.kind === 'signer' ? generateSigningKey() : generateKey();
  const issued = await issueCertificate(authority, {
    publicKey: createPublicKey(key),
    identity,
    hosts,
    nowMs,
  });
  const credential = {
    key,
    certificates: [issued.certificate, ...authority.intermediates],
    roots: [authority.root],
    facts: issued,
  };
  writeCredential(folder, credential);
  return { credential, created: true };
}

function isGood(
  credential: Credential,
  { authority, identity, hosts = [], nowMs }: Parameters<typeof ensureOwnCredential>[0],
): boolean {
  const [own] = credential.certificates;
  if (!own?.checkIssued(authority.certificate) || !own.verify(authority.certificate.publicKey)) return false;
  const { identity: named } = credential.facts;
  if (named.kind !== identity.kind || named.name !== identity.name) return false;
  if (renewalState(credential.facts, nowMs) !== 'keep') return false;
  return hosts.every((host) => (isIP(host) === 0 ? own.checkHost(host) : own.checkIP(host)) !== undefined);
}
