import { createHash, type X509Certificate } from 'node:crypto';
import type { Clock } from '../../clock.js';
import { FedrotError } from '../../errors.js';
import { certificateFacts, type CertificateFacts } from '../../pki/certificate.js';
import { describeIdentity, identityKey } from '../../pki/identity.js';
import { ReplayWindow } from '../../pki/replay-window.js';
import { requireNotRevoked, type RevocationList } from '../../pki/revocation.js';
import { requireRole } from '../../pki/roles.js';
import { verifySignedRequest } from '../../pki/signed-request.js';
import { requireUsage } from '../../pki/verify-certificate.js';
import type { CallGuard, IncomingCall } from '../../rpc/guard.js';
import { RateLimit } from './rate-limit.js';

export interface GuardOptions {
  /** Callers are known by their TLS certificate, or by the signature of the request. */
  readonly signed: boolean;
  readonly roots: readonly X509Certificate[];
  /** As it is now. */
  readonly revocations: () => RevocationList;
  /** The coordinator's name: whom signed requests are for. */
  readonly audience: string;
  readonly clock: Clock;
  readonly callsPerSecond: number;
}

const SILO_SERVICE = 'fedrot.v1.SiloService';
const ENROL_SERVICE = 'fedrot.v1.EnrolService';

/** Enrolments from one address, valid or not: a token cannot be guessed, but trying costs work. */
const ENROLMENTS = { perSecond: 0.5, burst: 20 };

/** Calls of one party that leave something on the disk each time; a daemon makes them once in a while. */
const SPARING: Readonly<Record<string, { readonly perSecond: number; readonly burst: number }>> = {
  Register: { perSecond: 1, burst: 60 },
  Renew: { perSecond: 0.1, burst: 20 },
};

/** What needs no certificate. */
function isOpen({ service, method }: IncomingCall): boolean {
  return service === 'grpc.health.v1.Health' || (service === ENROL_SERVICE && method === 'Enrol');
}

/** Who may do what, by kind of party: silos act for themselves, operators by their roles. */
function authorize({ identity }: CertificateFacts, { service, method }: IncomingCall): void {
  if (service === ENROL_SERVICE) return; // Renew: whoever has a good certificate
  const wanted = service === SILO_SERVICE ? 'silo' : 'operator';
  if (identity.kind !== wanted)
    throw new FedrotError(
      'permission_denied',
      `${method} is for ${wanted}s; the certificate is of ${describeIdentity(identity)}`,
    );
  if (identity.kind === 'operator') requireRole(identity, method);
}

/** Authentication and authorization of every call, in one place. */
export function createGuard(options: GuardOptions): CallGuard {
  const { signed, clock } = options;
  const replays = new ReplayWindow();
  const calls = new RateLimit(clock, {
    perSecond: options.callsPerSecond,
    burst: options.callsPerSecond * 5,
  });
  const enrolments = new RateLimit(clock, ENROLMENTS);
  const sparing = new Map(
    Object.entries(SPARING).map(([method, limit]) => [method, new RateLimit(clock, limit)]),
  );

  const bySignature = (call: IncomingCall): CertificateFacts =>
    verifySignedRequest(
      {
        'fedrot-signature': call.metadata('fedrot-signature'),
        'fedrot-certificate': call.metadata('fedrot-certificate'),
      },
      {
        audience: options.audience,
        method: `/${call.service}/${call.method}`,
        bodySha256: createHash('sha256')
          .update(call.body ?? new Uint8Array())
          .digest(),
      },
      { roots: options.roots, revocations: options.revocations(), replays, nowMs: clock.now() },
    );

  const byConnection = (call: IncomingCall): CertificateFacts => {
    if (call.certificate === undefined)
      throw new FedrotError(
        'unauthenticated',
        `${call.method}: ${call.certificateProblem ?? 'the connection has no client certificate'}`,
      );
    const facts = certificateFacts(call.certificate);
    requireUsage(facts, 'client');
    // The connection may have outlived it.
    if (clock.now() > facts.notAfterMs)
      throw new FedrotError(
        'unauthenticated',
        `the certificate of ${describeIdentity(facts.identity)} expired at ${new Date(facts.notAfterMs).toISOString()}: enrol again`,
      );
    requireNotRevoked(options.revocations(), facts);
    return facts;
  };

  const identify = (call: IncomingCall): CertificateFacts | undefined =>
    isOpen(call) ? undefined : byConnection(call);

  return {
    signed,
    identify,
    admit: (call) => {
      if (isOpen(call)) {
        if (call.method === 'Enrol')
          enrolments.take(call.peer.slice(0, call.peer.lastIndexOf(':')), 'enrolments from your address');
        return undefined;
      }
      const facts = signed ? bySignature(call) : byConnection(call);
      call.identified?.(facts);
      const [party, name] = [identityKey(facts.identity), describeIdentity(facts.identity)];
      calls.take(party, `calls of ${name}`);
      sparing.get(call.method)?.take(party, `${call.method} calls of ${name}`);
      authorize(facts, call);
      return facts;
    },
  };
}
