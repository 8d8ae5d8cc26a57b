import type { IdentityKind } from './identity.js';

/** What a certificate may be used for (RFC 5280, 4.2.1.12; documentSigning: RFC 9336). */
export const USAGES = {
  client: { oid: '1.3.6.1.5.5.7.3.2', label: 'TLS client' },
  server: { oid: '1.3.6.1.5.5.7.3.1', label: 'TLS server' },
  document: { oid: '1.3.6.1.5.5.7.3.36', label: 'document signing' },
} as const;
export type Usage = keyof typeof USAGES;

export interface Profile {
  readonly usage: Usage;
  /** How long a certificate is valid unless told otherwise. */
  readonly validityDays: number;
  /** Whether host names and addresses may stand in it. */
  readonly hosts: boolean;
}

/**
 * What the authority puts into certificates, by kind of identity. Short lives, since renewal is automatic; a signer's
 * certificate lasts because what it signed is to be checked years later.
 */
export const PROFILES: Readonly<Record<IdentityKind, Profile>> = {
  silo: { usage: 'client', validityDays: 90, hosts: false },
  operator: { usage: 'client', validityDays: 90, hosts: false },
  coordinator: { usage: 'server', validityDays: 90, hosts: true },
  signer: { usage: 'document', validityDays: 3650, hosts: false },
};

export const AUTHORITY_VALIDITY_DAYS = 3650;

/** Certificates begin so long before they are made, for silos whose clock is behind. */
export const CLOCK_SKEW_MS = 10 * 60_000;

export const DAY_MS = 86_400_000;
