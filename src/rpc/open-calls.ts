import type { FedrotError } from '../errors.js';
import type { CertificateFacts } from '../pki/certificate.js';

interface OpenCall {
  readonly caller: CertificateFacts | undefined;
  readonly end: (reason: FedrotError) => void;
}

/** Calls under way, so that those of a party can be ended. */
export class OpenCalls {
  readonly #calls = new Set<OpenCall>();

  /** Returns how to strike the call off. */
  add(call: OpenCall): () => void {
    this.#calls.add(call);
    return () => {
      this.#calls.delete(call);
    };
  }

  /** Ends the calls of the parties that `match`; returns how many. */
  end(match: (caller: CertificateFacts) => boolean, reason: FedrotError): number {
    const ended = [...this.#calls].filter(({ caller }) => caller !== undefined && match(caller));
    for (const call of ended) call.end(reason);
    return ended.length;
  }
}
