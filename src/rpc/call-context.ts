import type { CertificateFacts } from '../pki/certificate.js';
import type { Role } from '../pki/roles.js';

/** What a handler knows of the call beside its messages. */
export interface CallContext {
  /** E.g. SiloService. */
  readonly service: string;
  /** E.g. submitUpdate. */
  readonly method: string;
  /** The other side's address, for logs. */
  readonly peer: string;
  /** Who calls, by certificate or signed request; undefined in plaintext, and for Enrol. */
  readonly caller?: CertificateFacts | undefined;
  /** Who calls over HTTP, where there are no certificates: src/server/http says so, nobody else. */
  readonly operator?: { readonly name: string; readonly role: Role };
  /**
   * Lets the caller send faster than the round trips of a narrow window allow, until the returned function is called: for as long as
   * the handler takes what comes (server-windows.ts).
   */
  widen?(): () => void;
  /** First value of a metadata key (lower case), e.g. `fedrot-session`; undefined where the caller sent none. */
  metadata(key: string): string | undefined;
  /** Aborted when the caller left, cancelled, was revoked, or his deadline passed; never by a normal end before the handler returns. */
  readonly signal: AbortSignal;
}
