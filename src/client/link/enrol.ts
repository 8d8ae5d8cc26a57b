import { createPublicKey, type X509Certificate } from 'node:crypto';
import type { Clock } from '../../clock.js';
import { FedrotError } from '../../errors.js';
import { certificateFacts, parseCertificates, type CertificateFacts } from '../../pki/certificate.js';
import type { Credential } from '../../pki/credential.js';
import { pendingKey, writeCredential } from '../../pki/credential-files.js';
import { ENROLMENT_PREFIX } from '../../pki/enrolment-token.js';
import { fingerprint, parseFingerprint } from '../../pki/fingerprint.js';
import { generateKey, spki } from '../../pki/keys.js';
import { PROFILES } from '../../pki/profile.js';
import { createRequest } from '../../pki/request.js';
import { parseToken } from '../../pki/secret-token.js';
import { verifyCertificate } from '../../pki/verify-certificate.js';
import type { ConnectProxy } from '../../rpc/channel-options.js';
import { createEnrolClient, type RpcClient } from '../../rpc/client.js';
import type { CertificateResponse } from '../../rpc/gen/fedrot/v1/CertificateResponse.js';
import type { EnrolCalls } from '../../rpc/services.js';
import { findRoot } from './find-root.js';

export interface EnrolOptions {
  /** host:port */
  readonly address: string;
  readonly token: string;
  /** Of the consortium's authority, SHA-256. */
  readonly fingerprint: string;
  /** Where the credential goes. */
  readonly folder: string;
  /**
   * Authorities of the server's certificate, where it is not of the consortium: a balancer's, a company's. `system`: those that
   * Node knows. Then the fingerprint is compared with what Enrol answers.
   */
  readonly roots?: readonly X509Certificate[] | 'system';
  readonly proxy?: ConnectProxy;
  readonly clock: Clock;
}

export interface Enrolled {
  readonly facts: CertificateFacts;
  /** The coordinator's own name. */
  readonly audience: string;
}

/** Anything that a request may be called: who gets the certificate follows from the token. */
const REQUEST_NAME = 'fedrot';

/**
 * Makes a key here, asks for its certificate, and stores both. Only when the coordinator has shown an authority with the right fingerprint is
 * the token sent. Throws option_invalid for token or fingerprint, unauthenticated, unavailable.
 */
export async function enrol(options: EnrolOptions): Promise<Enrolled> {
  const { address, folder, proxy, clock } = options;
  const token = parseToken(ENROLMENT_PREFIX, options.token);
  const wanted = parseFingerprint(options.fingerprint);
  const roots = options.roots ?? [await findRoot(address, wanted, proxy)];
  const key = pendingKey(folder);
  const client = createEnrolClient({
    address,
    security: { kind: 'tls', ...(roots !== 'system' && { roots }) },
    ...(proxy && { proxy }),
  });
  let answer: CertificateResponse;
  try {
    answer = await client.enrol({ token, requestPem: await createRequest(key, REQUEST_NAME) });
  } finally {
    client.close();
  }
  const credential = credentialOf(answer, key, wanted, clock.now());
  writeCredential(folder, credential);
  return { facts: credential.facts, audience: answer.coordinator };
}

/** What came, if it is a certificate for our key from the authority with the fingerprint. */
function credentialOf(
  { certificatePem, rootsPem }: CertificateResponse,
  key: Credential['key'],
  wanted: string | undefined,
  nowMs: number,
): Credential {
  const certificates = parseCertificates(certificatePem, 'the certificate that came');
  const roots = parseCertificates(rootsPem, 'the authority that came').filter(
    ({ raw }) => wanted === undefined || fingerprint(raw) === wanted,
  );
  const [own, ...intermediates] = certificates;
  if (own === undefined || roots.length === 0)
    throw new FedrotError(
      'unauthenticated',
      'the coordinator answers with another authority than the fingerprint names',
    );
  if (!spki(createPublicKey(key)).equals(spki(own.publicKey)))
    throw new FedrotError('unauthenticated', 'the coordinator answers with a certificate for another key');
  const { usage } = PROFILES[certificateFacts(own.raw).identity.kind];
  const facts = verifyCertificate(own, { roots, intermediates, nowMs, usage });
  return { key, certificates, roots, facts };
}

/** A new key and certificate for the same party, stored in place of the old ones. */
export async function renewCredential(
  client: Pick<RpcClient<EnrolCalls>, 'renew'>,
  old: Credential,
  folder: string,
  nowMs: number,
): Promise<Credential> {
  const key = generateKey();
  const answer = await client.renew({ requestPem: await createRequest(key, REQUEST_NAME) });
  const known = old.roots.map(({ raw }) => fingerprint(raw));
  // Whom to trust is not the coordinator's to change: the roots stay as they were.
  const renewed = credentialOf(answer, key, undefined, nowMs);
  if (!renewed.roots.every(({ raw }) => known.includes(fingerprint(raw))))
    throw new FedrotError('unauthenticated', 'the coordinator answers with another authority; enrol again');
  const credential = { ...renewed, roots: old.roots };
  writeCredential(folder, credential);
  return credential;
}
