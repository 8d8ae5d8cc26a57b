import { createHmac, randomUUID } from 'node:crypto';
import type { Clock } from '../../clock.js';
import type { Logger } from '../../log.js';
import { readSecret } from '../../pki/secret-file.js';
import { retryDelayMs, type RetryPolicy } from '../../rpc/retry.js';
import type { CoordinatorConfig } from '../config.js';
import type { CoordinatorMetrics } from '../metrics.js';
import type { RunState } from '../round/state.js';
import { webhookEvents, type WebhookEvent } from './webhook-events.js';

/** About two minutes in all. */
const POLICY: RetryPolicy = { initialMs: 1000, maxMs: 60_000, factor: 3, maxAttempts: 6 };
const TIMEOUT_MS = 10_000;

interface Target {
  readonly url: string;
  /** For the log: the address may hold a secret in its path or query. */
  readonly shown: string;
  readonly events: ReadonlySet<WebhookEvent>;
  readonly secret: string | undefined;
}

interface Delivery {
  readonly id: string;
  readonly event: WebhookEvent;
  readonly body: string;
}

export interface WebhookOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: CoordinatorMetrics;
  /** Default about two minutes of tries. */
  readonly policy?: RetryPolicy;
}

/** `sha256=` and the HMAC-SHA256 (RFC 2104) of `<timestamp>.<body>`, hex. */
const signatureOf = (secret: string, timestamp: string, body: string): string =>
  `sha256=${createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex')}`;

/** What happens to be worth telling, posted as JSON to whoever asked. Tried again where that may help; a restart forgets what is under way. */
export class WebhookSender {
  readonly #targets: readonly Target[];
  readonly #options: WebhookOptions;
  readonly #stop = new AbortController();
  readonly #working = new Set<Promise<void>>();

  /** Throws where a secret's file is missing or readable for others. */
  constructor(config: CoordinatorConfig['webhooks'], options: WebhookOptions) {
    this.#options = options;
    this.#targets = config.map(({ url, events, secretFile }) => ({
      url,
      shown: new URL(url).origin,
      events: new Set(events),
      secret: secretFile === undefined ? undefined : readSecret(secretFile).trim(),
    }));
  }

  /** After a step of a run; `at` in ms. */
  step(before: RunState, after: RunState, at: number): void {
    for (const event of webhookEvents(before, after)) {
      const { runId, round, version, reason, trainers, policy } = after;
      const body = JSON.stringify({
        event,
        run: runId,
        round,
        version,
        total_rounds: policy.rounds.count,
        reason,
        connected_trainers: trainers.length,
        min_silos: policy.rounds.minSilos,
        at: new Date(at).toISOString(),
      });
      for (const target of this.#targets)
        if (target.events.has(event)) this.#send(target, { id: randomUUID(), event, body });
    }
  }

  /** Gives up what is under way. */
  async close(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#working);
  }

  #send(target: Target, delivery: Delivery): void {
    const work = this.#deliver(target, delivery).finally(() => this.#working.delete(work));
    this.#working.add(work);
  }

  async #deliver(target: Target, delivery: Delivery): Promise<void> {
    const { clock, logger, metrics, policy = POLICY } = this.#options;
    const { event } = delivery;
    for (let failures = 1; !this.#stop.signal.aborted; failures++) {
      const problem = await this.#post(target, delivery);
      if (problem === undefined) {
        metrics.webhooks.inc({ event, outcome: 'sent' });
        return;
      }
      const delayMs = problem.final ? undefined : retryDelayMs(policy, failures, Math.random);
      const facts = { event, to: target.shown, failures, reason: problem.reason };
      if (delayMs === undefined) {
        metrics.webhooks.inc({ event, outcome: 'given-up' });
        logger.error(facts, 'a webhook was not taken; given up');
        return;
      }
      logger.warn(facts, 'a webhook was not taken; trying again');
      await this.#wait(clock, delayMs);
    }
  }

  /** Undefined where it was taken; otherwise why not, and whether to try again is of no use. */
  async #post(
    { url, secret }: Target,
    { id, event, body }: Delivery,
  ): Promise<{ readonly reason: string; readonly final: boolean } | undefined> {
    const timestamp = String(Math.floor(this.#options.clock.now() / 1000));
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers: {
          'Content-Type': 'application/json',
          'User-Agent': 'fedrot',
          'X-Fedrot-Event': event,
          'X-Fedrot-Delivery': id,
          'X-Fedrot-Timestamp': timestamp,
          ...(secret !== undefined && { 'X-Fedrot-Signature': signatureOf(secret, timestamp, body) }),
        },
        body,
        // A redirection would carry the signed body to whoever the answer names.
        redirect: 'error',
        signal: AbortSignal.any([this.#stop.signal, AbortSignal.timeout(TIMEOUT_MS)]),
      });
      await response.body?.cancel();
      if (response.ok) return undefined;
      const passing = response.status >= 500 || response.status === 408 || response.status === 429;
      return { reason: `HTTP ${response.status}`, final: !passing };
    } catch (thrown) {
      const { cause } = thrown as Error;
      const code = (cause as NodeJS.ErrnoException | undefined)?.code;
      return { reason: code ?? (thrown as Error).name, final: false };
    }
  }

  #wait(clock: Clock, delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = clock.after(delayMs, resolve);
      this.#stop.signal.addEventListener(
        'abort',
        () => {
          cancel();
          resolve();
        },
        { once: true },
      );
    });
  }
}
