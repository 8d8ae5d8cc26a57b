import type { Clock } from '../../clock.js';
import type { ErrorCode } from '../../errors.js';
import type { AuditLog } from '../../evidence/audit.js';
import type { Logger } from '../../log.js';

/** Somebody was turned away for who he is or is not. */
export interface RefusedCall {
  readonly actor: string;
  /** Service and method, or `TLS handshake`. */
  readonly object: string;
  readonly code: ErrorCode;
  /** address:port */
  readonly peer: string;
  readonly message: string;
  readonly certificate?: string | undefined;
}

interface Seen {
  repeated: number;
  readonly first: RefusedCall;
}

/** The same refusal again within so long is counted, not written; ms. */
const WINDOW_MS = 60_000;

/** Different refusals within one window that are written one by one; a scanner must not fill the disk. */
const MAX_IN_WINDOW = 200;

const hostOf = (peer: string): string => peer.slice(0, Math.max(0, peer.lastIndexOf(':'))) || peer;

/** Refusals as entries of the audit log: the first at once, its repetitions as one entry when the minute is over. */
export class Refusals {
  readonly #seen = new Map<string, Seen>();
  #dropped = 0;
  #armed = false;

  constructor(
    private readonly audit: AuditLog,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  note(call: RefusedCall): void {
    const key = JSON.stringify([call.actor, call.object, call.code, hostOf(call.peer)]);
    const seen = this.#seen.get(key);
    if (seen !== undefined) {
      seen.repeated++;
      return;
    }
    if (this.#seen.size >= MAX_IN_WINDOW) {
      this.#dropped++;
      return;
    }
    this.#seen.set(key, { repeated: 0, first: call });
    this.#arm();
    this.#write(call, call.message);
  }

  /** Writes what was only counted so far. */
  flush(): void {
    for (const { repeated, first } of this.#seen.values())
      if (repeated > 0) this.#write(first, `${repeated} more like this within a minute`);
    if (this.#dropped > 0)
      this.#write(
        { actor: 'anonymous', object: 'many calls', code: 'quota_exceeded', peer: 'many', message: '' },
        `${this.#dropped} more calls were refused within a minute`,
      );
    this.#seen.clear();
    this.#dropped = 0;
  }

  #arm(): void {
    if (this.#armed) return;
    this.#armed = true;
    this.clock.after(WINDOW_MS, () => {
      this.#armed = false;
      this.flush();
    });
  }

  #write({ actor, object, code, peer, certificate }: RefusedCall, detail: string): void {
    this.logger.warn({ actor, object, code, peer }, `refused: ${detail}`);
    this.audit
      .record({
        actor: actor.slice(0, 200),
        action: 'call.refuse',
        object: object.slice(0, 200),
        outcome: 'refused',
        code,
        peer: peer.slice(0, 200),
        ...(certificate !== undefined && { certificate }),
        detail: wellFormed(detail).slice(0, 2000),
      })
      .catch((error: unknown) => {
        this.logger.error({ err: error }, 'a refusal could not be written to the audit log');
      });
  }
}

/** Canonical JSON takes no half of a surrogate pair. */
export function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, '\uFFFD');
}
