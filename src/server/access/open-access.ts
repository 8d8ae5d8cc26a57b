import { createPublicKey, type X509Certificate } from 'node:crypto';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../../clock.js';
import type { AuditLog } from '../../evidence/audit.js';
import type { Logger } from '../../log.js';
import { openAuthority, readAuthority } from '../../pki/authority-files.js';
import type { Authority } from '../../pki/authority.js';
import { formatFingerprint, fingerprint } from '../../pki/fingerprint.js';
import type { Credential } from '../../pki/credential.js';
import { hasCredential, readCredential, writeCredential } from '../../pki/credential-files.js';
import { identityKey, type Identity } from '../../pki/identity.js';
import { issueCertificate } from '../../pki/issue.js';
import { generateKey } from '../../pki/keys.js';
import { ensureOwnCredential } from '../../pki/own-certificate.js';
import { renewalState } from '../../pki/renewal.js';
import { readRevocations } from '../../pki/revocation-file.js';
import { revocationOf } from '../../pki/revocation.js';
import type { CoordinatorConfig } from '../config.js';
import type { Store } from '../store/store.js';
import { Access } from './access.js';
import { securityMode } from './security-mode.js';

/** Files of a coordinator's data folder that have to do with who may join and what happened. */
export function accessFolders(dataFolder: string) {
  const pki = join(dataFolder, 'pki');
  return {
    pki,
    authority: join(pki, 'authority'),
    coordinator: join(pki, 'coordinator'),
    signer: join(pki, 'signer'),
    /** The first operator's credential: on the coordinator's own machine, made with the authority. */
    admin: join(pki, 'admin'),
    revocations: join(pki, 'revocations.json'),
    /** Signers of evidence, past and present, for whoever verifies. */
    signers: join(dataFolder, 'evidence', 'signers.pem'),
    evidence: join(dataFolder, 'evidence'),
    audit: join(dataFolder, 'audit.jsonl'),
  };
}

const ADMIN: Identity = { kind: 'operator', name: 'admin', role: 'admin' };

async function theAuthority(
  { security, dataFolder }: CoordinatorConfig,
  nowMs: number,
): Promise<{ authority: Authority; created: boolean }> {
  const { certificate, key, root } = security.authority;
  if (certificate !== undefined && key !== undefined)
    return { authority: readAuthority({ certificate, key, ...(root && { root }), nowMs }), created: false };
  return openAuthority({ folder: accessFolders(dataFolder).authority, name: security.consortium, nowMs });
}

/** Names and addresses that the coordinator's certificate is for. */
function ownHosts({ security, grpc }: CoordinatorConfig): string[] {
  const bound = ['0.0.0.0', '::'].includes(grpc.host) ? [] : [grpc.host];
  return [
    ...new Set([...security.hosts, ...bound, 'localhost', '127.0.0.1', '::1', hostname().toLowerCase()]),
  ];
}

/** The coordinator's own credential, renewed where that is due. */
export async function coordinatorCredential(
  config: CoordinatorConfig,
  authority: Authority,
  nowMs: number,
): Promise<{ credential: Credential; created: boolean }> {
  return ensureOwnCredential({
    folder: accessFolders(config.dataFolder).coordinator,
    authority,
    identity: { kind: 'coordinator', name: config.security.name },
    hosts: ownHosts(config),
    nowMs,
  });
}

export interface OpenAccessOptions {
  readonly config: CoordinatorConfig;
  readonly store: Store;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * The authority (made on first start, or brought), the coordinator's certificate, its signer of evidence, the list of
 * revocations, and the first operator's credential. Throws as openAuthority and readAuthority do, storage_corrupt for a list that cannot be read.
 */
export async function openAccess(options: OpenAccessOptions): Promise<Access> {
  const { config, audit, clock, logger } = options;
  const mode = securityMode(config);
  const folders = accessFolders(config.dataFolder);
  const nowMs = clock.now();
  const { authority, created } = await theAuthority(config, nowMs);
  const rootFingerprint = formatFingerprint(fingerprint(authority.root.raw));
  if (created) {
    logger.info({ fingerprint: rootFingerprint }, 'made a new authority for the consortium');
    await audit.record({
      actor: `coordinator:${config.security.name}`,
      action: 'authority.create',
      object: rootFingerprint,
      outcome: 'ok',
    });
  }
  const { credential: signer } = await ensureOwnCredential({
    folder: folders.signer,
    authority,
    identity: { kind: 'signer', name: config.security.name },
    nowMs,
  });
  const { credential } = await coordinatorCredential(config, authority, nowMs);
  const access = new Access({
    ...options,
    mode,
    authority,
    credential,
    signer,
    revocations: readRevocations(folders.revocations),
    revocationFile: folders.revocations,
  });
  if (mode !== 'plaintext') await ensureAdmin(access, folders.admin, nowMs, options);
  return access;
}

/** Whoever can read this folder owns the coordinator anyway: so the first operator needs no token. */
async function ensureAdmin(
  access: Access,
  folder: string,
  nowMs: number,
  { store, audit, logger, config }: OpenAccessOptions,
): Promise<void> {
  const { authority } = access;
  if (hasCredential(folder)) {
    const known = readCredential(folder);
    const ours = isIssuedBy(known.certificates[0], authority) && renewalState(known.facts, nowMs) === 'keep';
    if (ours && revocationOf(access.revocations, known.facts) === undefined) return;
  }
  if (Object.hasOwn(access.revocations.names, identityKey(ADMIN))) return;
  const key = generateKey();
  const issued = await issueCertificate(authority, {
    publicKey: createPublicKey(key),
    identity: ADMIN,
    nowMs,
    validityDays: config.security.certificateDays,
  });
  await store.saveCertificate({
    serial: issued.serial,
    party: identityKey(ADMIN),
    issuedMs: nowMs,
    notAfterMs: issued.notAfterMs,
  });
  await audit.record({
    actor: `coordinator:${config.security.name}`,
    action: 'enrol',
    object: identityKey(ADMIN),
    outcome: 'ok',
    certificate: issued.serial,
    detail: 'the first operator, on this machine',
  });
  writeCredential(folder, {
    key,
    certificates: [issued.certificate, ...authority.intermediates],
    roots: [authority.root],
  });
  logger.info({ folder }, 'wrote the credential of operator admin; use it with --credential');
}

function isIssuedBy(certificate: X509Certificate | undefined, { certificate: issuer }: Authority): boolean {
  return certificate?.checkIssued(issuer) === true && certificate.verify(issuer.publicKey);
}
