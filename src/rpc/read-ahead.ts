import { ServerInterceptingCall, type Metadata, type ServerInterceptor } from '@grpc/grpc-js';

/** Messages that are read before they are asked for, once a stream is under way: one is worked on while others come. */
const AHEAD = 2;

/** What of a stream of requests is read: grpc-js would fill a queue of 16 messages with the first that is asked for. */
class ReadAhead {
  #asked = 0;
  #started = 0;
  #waiting: (() => void)[] = [];

  /** grpc-js wants to read a message. */
  want(start: () => void): void {
    this.#waiting.push(start);
    this.#flow();
  }

  /** The handler asks for a message. The first one is all that is read of a stream whose handler does not ask for more. */
  ask(): void {
    this.#asked++;
    this.#flow();
  }

  #flow(): void {
    const allowed = this.#asked === 1 ? 1 : this.#asked + AHEAD;
    while (this.#started < allowed) {
      const start = this.#waiting.shift();
      if (start === undefined) return;
      this.#started++;
      start();
    }
  }
}

const streams = new WeakMap<Metadata, ReadAhead>();

/** The handler of the call with this metadata asks for its next message. */
export function askForMessage(metadata: Metadata): void {
  streams.get(metadata)?.ask();
}

/** Reads streams of requests as their handlers take them. */
export const limitReadAhead: ServerInterceptor = (definition, call) => {
  if (!definition.requestStream) return new ServerInterceptingCall(call);
  const ahead = new ReadAhead();
  const start = call.startRead.bind(call);
  call.startRead = (): void => {
    ahead.want(start);
  };
  return new ServerInterceptingCall(call, {
    start: (next) => {
      next({
        onReceiveMetadata: (metadata, proceed) => {
          streams.set(metadata, ahead);
          proceed(metadata);
        },
      });
    },
  });
};
