import type { Clock } from '../../clock.js';
import { FedrotError } from '../../errors.js';

interface Bucket {
  tokens: number;
  atMs: number;
}

/** Parties that are remembered at the same time; whoever was quiet the longest is forgotten first. */
const MAX_KEYS = 10_000;

/** Token buckets: each party may do `perSecond` of something, and `burst` at once. */
export class RateLimit {
  readonly #buckets = new Map<string, Bucket>();

  constructor(
    private readonly clock: Clock,
    private readonly limit: { readonly perSecond: number; readonly burst: number },
  ) {}

  /** Throws quota_exceeded; `what` begins the message. */
  take(key: string, what: string): void {
    const { perSecond, burst } = this.limit;
    const now = this.clock.now();
    const bucket = this.#buckets.get(key) ?? { tokens: burst, atMs: now };
    const refill = (Math.max(0, now - bucket.atMs) / 1000) * perSecond;
    bucket.tokens = Math.min(burst, bucket.tokens + refill);
    bucket.atMs = now;
    // Most recently used last.
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    const [oldest] = this.#buckets.keys();
    if (oldest !== undefined && this.#buckets.size > MAX_KEYS) this.#buckets.delete(oldest);
    if (bucket.tokens < 1)
      throw new FedrotError('quota_exceeded', `${what}: more than ${perSecond} a second; wait and try again`);
    bucket.tokens -= 1;
  }
}
