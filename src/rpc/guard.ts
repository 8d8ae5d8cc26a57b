import type { CertificateFacts } from '../pki/certificate.js';

/** A call before anything was done for it. */
export interface IncomingCall {
  /** With package, e.g. fedrot.v1.SiloService. */
  readonly service: string;
  /** As in the proto, e.g. SubmitUpdate. */
  readonly method: string;
  readonly peer: string;
  /** DER of the client certificate that TLS has accepted. */
  readonly certificate?: Uint8Array | undefined;
  /** Why there is none, where the client showed one or should have. */
  readonly certificateProblem?: string | undefined;
  /** Its first message as it came over the wire; only where the guard asks for signed requests. */
  readonly body?: Uint8Array | undefined;
  metadata(key: string): string | undefined;
  /** Told who calls as soon as that is known, before it is known whether he may. */
  identified?(caller: CertificateFacts): void;
}

/** Decides on every call, ours and those of health and reflection, before a handler sees it. */
export interface CallGuard {
  /** Calls of fedrot's own services are admitted by their first message instead of by their connection. */
  readonly signed: boolean;
  /** Whether the call may go on; counts it. Who calls; undefined where nobody has to say. Throws unauthenticated, permission_denied, quota_exceeded. */
  admit(call: IncomingCall): CertificateFacts | undefined;
  /** Who calls, of a call that was admitted by its connection. Throws unauthenticated. */
  identify(call: IncomingCall): CertificateFacts | undefined;
}
