import type { Authority } from './authority.js';
import type { CertificateFacts } from './certificate.js';
import { useToken, type TokenRecord } from './enrolment-token.js';
import { issueCertificate, type IssuedCertificate } from './issue.js';
import { keyId } from './keys.js';
import { verifyRequest } from './request.js';
import { requireNotRevoked, type RevocationList } from './revocation.js';

export interface EnrolContext {
  readonly authority: Authority;
  readonly revocations: RevocationList;
  readonly nowMs: number;
  /** Default: the profile's. */
  readonly validityDays?: number;
}

/**
 * A certificate for a token and a request. `store` gets the token's new record and must have it on disk, against the
 * record that was read, before it returns: only then is the certificate made. Throws option_invalid for what cannot be
 * read, unauthenticated for a token that does not count or a party that is revoked.
 */
export async function enrol(
  context: EnrolContext & {
    readonly tokens: Iterable<TokenRecord>;
    readonly store: (record: TokenRecord) => void | Promise<void>;
  },
  request: { readonly token: string; readonly requestPem: string },
): Promise<{ issued: IssuedCertificate; token: TokenRecord; repeated: boolean }> {
  const publicKey = await verifyRequest(request.requestPem);
  const { record, repeated } = useToken(context.tokens, request.token, {
    keyId: keyId(publicKey),
    nowMs: context.nowMs,
  });
  requireNotRevoked(context.revocations, { identity: record.identity, serial: '' });
  if (!repeated) await context.store(record);
  // What a signer signed is to be checked years later: the profile's time counts.
  const { validityDays } = record.identity.kind === 'signer' ? {} : context;
  const issued = await issueCertificate(context.authority, {
    publicKey,
    identity: record.identity,
    nowMs: context.nowMs,
    ...(validityDays !== undefined && { validityDays }),
  });
  return { issued, token: record, repeated };
}

/** A new certificate for the party that calls with a good one, whose identity it takes over. Throws as enrol does. */
export async function renew(
  context: EnrolContext,
  caller: CertificateFacts,
  requestPem: string,
): Promise<IssuedCertificate> {
  requireNotRevoked(context.revocations, caller);
  const publicKey = await verifyRequest(requestPem);
  return issueCertificate(context.authority, {
    publicKey,
    identity: caller.identity,
    nowMs: context.nowMs,
    ...(context.validityDays !== undefined && { validityDays: context.validityDays }),
  });
}
