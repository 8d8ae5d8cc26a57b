import type { Clock } from '../../clock.js';
import { openAuditLog, type AuditLog } from '../../evidence/audit.js';
import { asFedrotError, type ErrorCode } from '../../errors.js';
import type { Logger } from '../../log.js';
import { certificateFacts } from '../../pki/certificate.js';
import { identityKey } from '../../pki/identity.js';
import { DAY_MS } from '../../pki/profile.js';
import type { CallEnd } from '../../rpc/interceptors.js';
import type { RpcServer, RpcServerOptions } from '../../rpc/server.js';
import type { CoordinatorConfig } from '../config.js';
import { isSessionOver } from '../coordinator/silo-registry.js';
import type { Store } from '../store/store.js';
import type { Access } from './access.js';
import { createGuard } from './guard.js';
import { accessFolders, coordinatorCredential, openAccess } from './open-access.js';
import { Refusals } from './refusals.js';

/** Everything between the connections and the services: who may join, who may call, and what is written down of it. */
export interface Trust {
  readonly access: Access;
  readonly audit: AuditLog;
  /** How the server protects its connections and whom it admits. */
  readonly rpc: Pick<RpcServerOptions, 'security' | 'guard'>;
  /** Writes down who was refused for who he is or is not. */
  readonly onCallEnd: (end: CallEnd) => void;
  readonly onCorrupt: (message: string) => void;
  /** Revocations reach open connections from now on, and the server's own certificate is renewed. */
  attach(rpc: RpcServer): void;
  /** Writes down that the coordinator stops. */
  stopped(): Promise<void>;
  close(): Promise<void>;
}

/** What is a refusal, as against a failure. */
const REFUSALS: ReadonlySet<string> = new Set<ErrorCode>(['unauthenticated', 'permission_denied']);

export interface OpenTrustOptions {
  readonly config: CoordinatorConfig;
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Throws storage_corrupt where audit log or revocations were changed, and as openAccess does. */
export async function openTrust(options: OpenTrustOptions): Promise<Trust> {
  const { config, clock, logger } = options;
  const { audit, torn } = await openAuditLog(accessFolders(config.dataFolder).audit, clock);
  if (torn) logger.warn(torn, 'the end of the audit log was torn by a crash; the rest is whole');
  let access: Access;
  try {
    access = await openAccess({ ...options, audit });
  } catch (thrown) {
    await audit.close();
    throw thrown;
  }
  const refusals = new Refusals(audit, clock, logger);
  const actor = `coordinator:${config.security.name}`;
  const note = (entry: Parameters<AuditLog['record']>[0]): Promise<void> =>
    audit.record(entry).then(
      () => undefined,
      (error: unknown) => {
        logger.error({ err: error }, 'an entry could not be written to the audit log');
      },
    );
  let stopRenewal: () => void = () => undefined;

  return {
    access,
    audit,
    rpc: access.mode === 'plaintext' ? {} : secured(options, access, refusals),
    onCallEnd: ({ service, method, code, peer, message, certificate, caller }) => {
      if (!REFUSALS.has(code) || isSessionOver(message)) return;
      const facts = caller ?? factsOf(certificate);
      refusals.note({
        actor: facts === undefined ? 'anonymous' : identityKey(facts.identity),
        object: `${service}/${method}`,
        code: code as ErrorCode,
        peer,
        message,
        certificate: facts?.serial,
      });
    },
    onCorrupt: (message) => {
      void note({
        actor,
        action: 'storage.corrupt',
        object: 'tensors',
        outcome: 'failed',
        code: 'storage_corrupt',
        detail: message.slice(0, 2000),
      });
    },
    attach: (rpc) => {
      access.expel = (match, reason) => rpc.expel(match, reason);
      if (access.mode !== 'plaintext') stopRenewal = keepRenewed(options, access, rpc);
    },
    stopped: async () => {
      stopRenewal();
      refusals.flush();
      await note({ actor, action: 'coordinator.stop', object: 'drained', outcome: 'ok' });
    },
    close: async () => {
      stopRenewal();
      await audit.close();
    },
  };
}

function factsOf(certificate: Uint8Array | undefined): ReturnType<typeof certificateFacts> | undefined {
  try {
    return certificate && certificateFacts(certificate);
  } catch {
    return undefined;
  }
}

function secured(
  { config, clock }: OpenTrustOptions,
  access: Access,
  refusals: Refusals,
): Pick<RpcServerOptions, 'security' | 'guard'> {
  const { security, limits } = config;
  const signed = access.mode === 'balancer';
  const { key, certificates, roots } = access.credential;
  return {
    security: {
      kind: 'tls',
      // The root is sent along: who enrols compares its fingerprint before he trusts it.
      credential: { key, certificates: [...certificates, access.authority.root], roots },
      minVersion: security.minTlsVersion,
      clientCertificates: !signed,
      maxConnections: limits.maxConnections,
      maxConnectionsPerAddress: limits.maxConnectionsPerAddress,
      onHandshakeFailure: (peer, message) => {
        refusals.note({
          actor: 'anonymous',
          object: 'TLS handshake',
          code: 'unauthenticated',
          peer,
          message,
        });
      },
    },
    guard: createGuard({
      signed,
      roots: [access.authority.root],
      revocations: () => access.revocations,
      audience: security.name,
      clock,
      callsPerSecond: limits.callsPerSecond,
    }),
  };
}

/** Once a day: a server certificate that is due is replaced while connections go on. */
function keepRenewed(
  { config, clock, logger }: OpenTrustOptions,
  access: Access,
  rpc: RpcServer,
): () => void {
  let stop: () => void = () => undefined;
  const arm = (): void => {
    stop = clock.after(DAY_MS, () => {
      coordinatorCredential(config, access.authority, clock.now())
        .then(({ credential, created }) => {
          if (!created) return;
          const { key, certificates, roots } = credential;
          rpc.useCredential({ key, certificates: [...certificates, access.authority.root], roots });
          logger.info({ serial: credential.facts.serial }, "renewed the coordinator's certificate");
        })
        .catch((error: unknown) => {
          logger.error({ err: asFedrotError(error) }, "the coordinator's certificate could not be renewed");
        })
        .finally(arm);
    });
  };
  arm();
  return () => {
    stop();
  };
}
