import type { AssignmentInput } from '../../rpc/gen/fedrot/v1/Assignment.js';

interface Stream {
  readonly queue: AssignmentInput[];
  wake: () => void;
  ended: boolean;
}

/**
 * The open streams of assignments, one a silo: a newer stream ends the one before. What is sent while no stream is
 * open is dropped, because a stream begins with everything that is outstanding.
 */
export class AssignmentHub {
  readonly #streams = new Map<string, Stream>();
  #closed = false;

  send(silo: string, assignment: AssignmentInput): void {
    const stream = this.#streams.get(silo);
    if (stream === undefined) return;
    stream.queue.push(assignment);
    stream.wake();
  }

  /** Assignments until the caller leaves, a newer stream takes over, or the hub closes. `outstanding` is asked once, at the start. */
  async *watch(
    silo: string,
    outstanding: () => readonly AssignmentInput[],
    signal: AbortSignal,
  ): AsyncGenerator<AssignmentInput, void, undefined> {
    this.end(silo);
    const stream: Stream = { queue: [...outstanding()], wake: () => undefined, ended: this.#closed };
    const leave = (): void => {
      stream.ended = true;
      stream.wake();
    };
    this.#streams.set(silo, stream);
    signal.addEventListener('abort', leave, { once: true });
    try {
      while (!isEnded(stream)) {
        const next = stream.queue.shift();
        if (next !== undefined) yield next;
        else
          await new Promise<void>((resolve) => {
            stream.wake = resolve;
          });
      }
    } finally {
      signal.removeEventListener('abort', leave);
      if (this.#streams.get(silo) === stream) this.#streams.delete(silo);
    }
  }

  /** Ends the silo's stream. */
  end(silo: string): void {
    const stream = this.#streams.get(silo);
    if (stream === undefined) return;
    stream.ended = true;
    stream.wake();
  }

  /** Ends every stream, and those that are still to come. */
  close(): void {
    this.#closed = true;
    for (const silo of this.#streams.keys()) this.end(silo);
  }
}

function isEnded(stream: Stream): boolean {
  return stream.ended;
}
