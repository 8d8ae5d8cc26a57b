import type {
  Metadata,
  sendUnaryData,
  ServerReadableStream,
  ServerUnaryCall,
  ServerWritableStream,
} from '@grpc/grpc-js';
import { FedrotError } from '../errors.js';
import type { CallContext } from './call-context.js';
import type { Decoded } from './decode.js';
import { toServiceError } from './status.js';

type Message = object;
type UnaryHandler = (request: Message, context: CallContext) => Promise<Message>;
type ClientStreamHandler = (requests: AsyncIterable<Message>, context: CallContext) => Promise<Message>;
type ServerStreamHandler = (request: Message, context: CallContext) => AsyncIterable<Message>;

export interface CallNames {
  readonly service: string;
  readonly method: string;
}

/** Called with what a handler threw, before the caller is told. */
export type OnHandlerError = (error: unknown, context: CallContext) => void;

interface AnyCall {
  readonly metadata: Metadata;
  getPeer(): string;
  readonly cancelled: boolean;
  on(event: 'cancelled', listener: () => void): unknown;
}

/** grpc-js also says 'cancelled' after every normal end: `finish` tells those apart. */
function openContext(call: AnyCall, names: CallNames): { context: CallContext; finish: () => void } {
  const controller = new AbortController();
  let finished = false;
  const abort = (): void => {
    if (!finished) controller.abort(callerLeft(names));
  };
  call.on('cancelled', abort);
  if (call.cancelled) abort();
  return {
    context: {
      ...names,
      peer: call.getPeer(),
      metadata: (key) => {
        const value = call.metadata.get(key)[0];
        return value === undefined ? undefined : value.toString();
      },
      signal: controller.signal,
    },
    finish: () => {
      finished = true;
    },
  };
}

function callerLeft(names: CallNames): FedrotError {
  return new FedrotError(
    'cancelled',
    `${names.service}.${names.method}: the caller left or his deadline passed before the call was complete`,
  );
}

function valid(message: Decoded<Message>): Message {
  if (message instanceof FedrotError) throw message;
  return message;
}

export function adaptUnary(handler: UnaryHandler, names: CallNames, onError: OnHandlerError) {
  return (call: ServerUnaryCall<Decoded<Message>, Message>, respond: sendUnaryData<Message>): void => {
    const { context, finish } = openContext(call, names);
    const run = async (): Promise<Message> => handler(valid(call.request), context);
    run().then(
      (response) => {
        finish();
        respond(null, response);
      },
      (error: unknown) => {
        onError(error, context);
        finish();
        respond(toServiceError(error));
      },
    );
  };
}

async function* incoming(
  call: ServerReadableStream<Decoded<Message>, Message>,
  context: CallContext,
): AsyncGenerator<Message, void, undefined> {
  try {
    // destroyOnReturn: a handler that answers early must still be able to answer.
    for await (const message of call.iterator({ destroyOnReturn: false }) as AsyncIterable<Decoded<Message>>)
      yield valid(message);
  } catch (error) {
    throw error instanceof FedrotError ? error : callerLeft(context);
  }
  // A destroyed call ends the iteration without an error.
  if (context.signal.aborted) throw callerLeft(context);
}

export function adaptClientStream(handler: ClientStreamHandler, names: CallNames, onError: OnHandlerError) {
  return (call: ServerReadableStream<Decoded<Message>, Message>, respond: sendUnaryData<Message>): void => {
    const { context, finish } = openContext(call, names);
    // The iteration reports failures; without a listener an error after an early return would be uncaught.
    call.on('error', () => undefined);
    const run = async (): Promise<Message> => handler(incoming(call, context), context);
    run().then(
      (response) => {
        finish();
        respond(null, response);
      },
      (error: unknown) => {
        onError(error, context);
        finish();
        respond(toServiceError(error));
      },
    );
  };
}

/** Resolves when the stream takes more, or the call is over. */
function drained(call: ServerWritableStream<Decoded<Message>, Message>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      call.off('drain', done);
      signal.removeEventListener('abort', done);
      resolve();
    };
    call.once('drain', done);
    signal.addEventListener('abort', done, { once: true });
    if (signal.aborted) done();
  });
}

/** The next value, or the end where the call is over first: a generator that waits for an event must not hold it. */
function nextUnlessAborted(
  iterator: AsyncIterator<Message>,
  signal: AbortSignal,
): Promise<IteratorResult<Message>> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      resolve({ done: true, value: undefined });
    };
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    iterator
      .next()
      .then(resolve, reject)
      .finally(() => {
        signal.removeEventListener('abort', abort);
      });
  });
}

export function adaptServerStream(handler: ServerStreamHandler, names: CallNames, onError: OnHandlerError) {
  return (call: ServerWritableStream<Decoded<Message>, Message>): void => {
    const { context, finish } = openContext(call, names);
    const { signal } = context;
    const run = async (): Promise<void> => {
      const iterator = handler(valid(call.request), context)[Symbol.asyncIterator]();
      try {
        for (;;) {
          const next = await nextUnlessAborted(iterator, signal);
          if (signal.aborted) throw callerLeft(names);
          if (next.done === true) return;
          if (!call.write(next.value)) await drained(call, signal);
        }
      } finally {
        // A generator that waits for something else returns once that comes; nobody may have to wait for it.
        void Promise.resolve(iterator.return?.()).catch(() => undefined);
      }
    };
    run().then(
      () => {
        finish();
        call.end();
      },
      (error: unknown) => {
        onError(error, context);
        finish();
        call.emit('error', toServiceError(error));
      },
    );
  };
}
