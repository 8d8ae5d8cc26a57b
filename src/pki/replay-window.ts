import { FedrotError } from '../errors.js';

/**
 * Remembers nonces for as long as a request with them could be believed. Memory is bounded for each signer, so that one
 * signer cannot push out the nonces of another: who sends more than `maxPerSigner` within the window has to wait.
 */
export class ReplayWindow {
  readonly #seen = new Map<string, Map<string, number>>();
  readonly #maxPerSigner: number;
  #nextSweepMs = 0;

  constructor(options: { /** Default 20,000. */ readonly maxPerSigner?: number } = {}) {
    this.#maxPerSigner = options.maxPerSigner ?? 20_000;
  }

  /** Nonces that are remembered now. */
  get size(): number {
    let sum = 0;
    for (const nonces of this.#seen.values()) sum += nonces.size;
    return sum;
  }

  /** Takes a nonce that stays believable until `untilMs`. Throws unauthenticated where it was seen, quota_exceeded beyond the bound. */
  take(signer: string, nonce: string, untilMs: number, nowMs: number): void {
    this.#sweep(nowMs);
    const nonces = this.#seen.get(signer) ?? new Map<string, number>();
    const until = nonces.get(nonce);
    if (until !== undefined && until >= nowMs)
      throw new FedrotError('unauthenticated', 'the signed request was sent before: a replay is refused');
    if (nonces.size >= this.#maxPerSigner)
      throw new FedrotError(
        'quota_exceeded',
        `more than ${this.#maxPerSigner} signed requests in a short time; wait and try again`,
      );
    nonces.set(nonce, untilMs);
    this.#seen.set(signer, nonces);
  }

  /** Forgets what is over, at most once a second. */
  #sweep(nowMs: number): void {
    if (nowMs < this.#nextSweepMs) return;
    this.#nextSweepMs = nowMs + 1000;
    for (const [signer, nonces] of this.#seen) {
      for (const [nonce, until] of nonces) if (until < nowMs) nonces.delete(nonce);
      if (nonces.size === 0) this.#seen.delete(signer);
    }
  }
}
