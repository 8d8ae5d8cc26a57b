import { FedrotError } from '../errors.js';
import { describeIdentity, identityKey, type Identity } from './identity.js';
import type { CertificateFacts } from './certificate.js';
import { normaliseSerial } from './serial.js';

/** One revocation. */
export interface Revocation {
  /** Unix epoch. */
  readonly atMs: number;
  /** The operator who did it. */
  readonly by: string;
  /** For people; at most 500 characters. */
  readonly reason: string;
}

/**
 * Who is out. By serial: one certificate. By name (`silo:hospital-a`): the party with all its certificates, those of the
 * past and of the future, until it is readmitted.
 */
export interface RevocationList {
  readonly serials: Readonly<Record<string, Revocation>>;
  readonly names: Readonly<Record<string, Revocation>>;
}

export const NOBODY_REVOKED: RevocationList = Object.freeze({
  serials: Object.freeze({}),
  names: Object.freeze({}),
});

type Party = Pick<Identity, 'kind' | 'name'>;

/** The list with the serial; the first revocation stays where there is one. */
export function revokeSerial(list: RevocationList, serial: string, entry: Revocation): RevocationList {
  const key = normaliseSerial(serial);
  if (!/^[0-9a-f]{1,40}$/.test(key))
    throw new FedrotError(
      'option_invalid',
      `${JSON.stringify(serial.slice(0, 80))} is no serial number (hex)`,
    );
  return { ...list, serials: { [key]: entry, ...list.serials } };
}

/** The list with the party. */
export function revokeName(list: RevocationList, party: Party, entry: Revocation): RevocationList {
  return { ...list, names: { [identityKey(party)]: entry, ...list.names } };
}

/**
 * The list without the party, whose certificates so far stay revoked one by one: it has to enrol again. `serials` are
 * those of every certificate that it was ever issued. Throws not_found where the party was not revoked.
 */
export function readmit(list: RevocationList, party: Party, serials: readonly string[]): RevocationList {
  const key = identityKey(party);
  const entry = Object.hasOwn(list.names, key) ? list.names[key] : undefined;
  if (!entry) throw new FedrotError('not_found', `${party.kind} ${party.name} is not revoked`);
  const names = Object.fromEntries(Object.entries(list.names).filter(([name]) => name !== key));
  return serials.reduce<RevocationList>((sum, serial) => revokeSerial(sum, serial, entry), {
    ...list,
    names,
  });
}

/** The revocation that meets a certificate; undefined where it is good. */
export function revocationOf(
  list: RevocationList,
  { identity, serial }: Pick<CertificateFacts, 'identity' | 'serial'>,
): Revocation | undefined {
  const key = identityKey(identity);
  if (Object.hasOwn(list.names, key)) return list.names[key];
  return Object.hasOwn(list.serials, serial) ? list.serials[serial] : undefined;
}

/** Throws unauthenticated where the certificate or its owner is revoked. The reason stays in the log. */
export function requireNotRevoked(
  list: RevocationList,
  facts: Pick<CertificateFacts, 'identity' | 'serial'>,
): void {
  const found = revocationOf(list, facts);
  if (found)
    throw new FedrotError(
      'unauthenticated',
      `the certificate ${facts.serial} of ${describeIdentity(facts.identity)} was revoked at ${new Date(found.atMs).toISOString()}; ask the consortium's operator`,
      { details: { revocation: found } },
    );
}
