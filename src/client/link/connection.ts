import type { Clock } from '../../clock.js';
import { FedrotError } from '../../errors.js';
import type { Journal } from '../../evidence/journal.js';
import type { Logger } from '../../log.js';
import type { ClientTransportOptions, ConnectProxy } from '../../rpc/channel-options.js';
import { createSiloClient, type RpcClient } from '../../rpc/client.js';
import type { ClientSecurity } from '../../rpc/credentials.js';
import { PROTOCOL, requireSpoken, type ProtocolRange } from '../../rpc/protocol.js';
import type { RegisterRequestInput } from '../../rpc/gen/fedrot/v1/RegisterRequest.js';
import type { RegisterResponse } from '../../rpc/gen/fedrot/v1/RegisterResponse.js';
import {
  FEW_ATTEMPTS,
  RETRY_FOR_EVER,
  RETRY_OF_CODE,
  retryDelayMs,
  type RetryPolicy,
} from '../../rpc/retry.js';
import type { SiloCalls } from '../../rpc/services.js';
import { fromServiceError } from '../../rpc/status.js';
import { sleep } from '../sleep.js';
import { journalled, outgoing } from './journalled.js';

/** A coordinator that restarts is found again within seconds; a thousand silos do not come at once. */
export const LINK_RETRY: RetryPolicy = { ...RETRY_FOR_EVER, maxMs: 10_000 };

export interface ConnectionOptions {
  /** host:port */
  readonly address: string;
  readonly identity: Omit<RegisterRequestInput, 'protocolMin' | 'protocolMax'> & { readonly silo: string };
  readonly security?: ClientSecurity;
  readonly proxy?: ConnectProxy;
  readonly transport?: ClientTransportOptions;
  readonly clock: Clock;
  /** Uniform in [0, 1), for jitter. */
  readonly random: () => number;
  readonly logger: Logger;
  /** What the silo says of itself is written there before it is sent; default: nowhere. */
  readonly journal?: Journal;
  /** Default LINK_RETRY. */
  readonly retry?: RetryPolicy;
  /** Default PROTOCOL. */
  readonly protocol?: ProtocolRange;
}

/**
 * A silo's standing with the coordinator: registers, registers again whenever the coordinator has forgotten it, and repeats
 * calls until they succeed or can never succeed. Only a first registration that is refused is final.
 */
export class Connection {
  readonly calls: RpcClient<SiloCalls>;
  readonly silo: string;
  /** host:port, for the journal. */
  readonly address: string;
  /** W3C Trace Context of the task under way, sent with its calls; undefined where nothing is traced. */
  traceparent: string | undefined;
  readonly #options: ConnectionOptions;
  readonly #retry: RetryPolicy;
  readonly #closed = new AbortController();
  #session: RegisterResponse | undefined;
  #registering: Promise<RegisterResponse> | undefined;
  #everRegistered = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#retry = options.retry ?? LINK_RETRY;
    this.silo = options.identity.silo;
    this.address = options.address;
    this.calls = createSiloClient({
      address: options.address,
      ...(options.security === undefined ? {} : { security: options.security }),
      ...(options.proxy === undefined ? {} : { proxy: options.proxy }),
      ...(options.transport === undefined ? {} : { transport: options.transport }),
      metadata: () => ({
        'fedrot-session': this.#session?.sessionId ?? '',
        ...(this.traceparent !== undefined && { traceparent: this.traceparent }),
      }),
    });
  }

  /** The registration in force; registers where there is none, and waits for a coordinator that is away. Rejects where it refuses for good, or after close. */
  session(): Promise<RegisterResponse> {
    if (this.#session !== undefined) return Promise.resolve(this.#session);
    this.#registering ??= this.#register().finally(() => {
      this.#registering = undefined;
    });
    return this.#registering;
  }

  /** Forgets a registration, unless a newer one has taken its place. */
  forget(session: RegisterResponse): void {
    if (this.#session === session) this.#session = undefined;
  }

  /**
   * Repeats the attempt, registered, until it succeeds: for ever where the failure may pass. Rejects with what can never
   * succeed, and with cancelled when the signal aborts. `what` is for the log.
   */
  async repeat<T>(
    what: string,
    signal: AbortSignal,
    attempt: (session: RegisterResponse) => Promise<T>,
  ): Promise<T> {
    let odd = 0;
    for (let failures = 1; ; failures++) {
      const session = await this.#orAborted(this.session(), signal);
      try {
        return await attempt(session);
      } catch (thrown) {
        const error = fromServiceError(thrown);
        // What may be an accident a few times must not end a transfer that only the network interrupted.
        if (RETRY_OF_CODE[error.code] === 'few' && ++odd >= FEW_ATTEMPTS) throw error;
        await this.recover(what, error, { failures, session, signal });
      }
    }
  }

  /** Waits before the next attempt, or throws the error where there must be none. */
  async recover(
    what: string,
    error: FedrotError,
    { failures, session, signal }: { failures: number; session: RegisterResponse; signal: AbortSignal },
  ): Promise<void> {
    if (signal.aborted || this.#closed.signal.aborted)
      throw new FedrotError('cancelled', `${what}: cancelled`, { cause: error });
    const action = RETRY_OF_CODE[error.code];
    if (action === 'never') throw error;
    if (action === 'register') {
      this.forget(session);
      // The coordinator was restarted: nothing is wrong yet.
      if (failures === 1) return;
    }
    await this.#wait(what, error, failures, signal);
  }

  /** Ends the connection; everything that waits rejects with cancelled. */
  close(): void {
    this.#closed.abort();
    this.calls.close();
  }

  #register(): Promise<RegisterResponse> {
    const { identity, journal, address, protocol = PROTOCOL } = this.#options;
    if (journal === undefined) return this.#attempt();
    return journalled(
      journal,
      outgoing('registration', address, {}, [
        { ...identity, protocolMin: protocol.min, protocolMax: protocol.max },
      ]),
      () => this.#attempt(),
    );
  }

  async #attempt(): Promise<RegisterResponse> {
    const { identity, logger, address, protocol = PROTOCOL } = this.#options;
    for (let failures = 1; ; failures++) {
      try {
        const session = await this.calls.register({
          ...identity,
          protocolMin: protocol.min,
          protocolMax: protocol.max,
        });
        requireSpoken(session.protocol, protocol, session.softwareVersion);
        this.#session = session;
        this.#everRegistered = true;
        logger.info({ address, coordinator: session.softwareVersion }, 'registered with the coordinator');
        return session;
      } catch (thrown) {
        const error = fromServiceError(thrown);
        if (this.#closed.signal.aborted) throw new FedrotError('cancelled', 'the connection was closed');
        if (RETRY_OF_CODE[error.code] !== 'retry' && !this.#everRegistered) throw error;
        // Revoked or expired: to wait does not help.
        if (error.code === 'unauthenticated' && failures >= FEW_ATTEMPTS) throw error;
        await this.#wait(`register with ${address}`, error, failures, this.#closed.signal);
      }
    }
  }

  async #wait(what: string, error: FedrotError, failures: number, signal: AbortSignal): Promise<void> {
    const { clock, random, logger } = this.#options;
    const delayMs = retryDelayMs(this.#retry, failures, random);
    if (delayMs === undefined) throw error;
    logger.warn(
      { code: error.code, reason: error.message, failures, retryInMs: Math.round(delayMs) },
      `${what}: failed, trying again`,
    );
    await sleep(clock, delayMs, AbortSignal.any([signal, this.#closed.signal]));
  }

  #orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        reject(new FedrotError('cancelled', 'cancelled while waiting for the coordinator'));
      };
      signal.addEventListener('abort', abort, { once: true });
      if (signal.aborted) abort();
      promise.then(resolve, reject).finally(() => {
        signal.removeEventListener('abort', abort);
      });
    });
  }
}
