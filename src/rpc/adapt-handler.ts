import type {
  Metadata,
  sendUnaryData,
  ServerReadableStream,
  ServerUnaryCall,
  ServerWritableStream,
} from '@grpc/grpc-js';
import { FedrotError } from '../errors.js';
import type { CertificateFacts } from '../pki/certificate.js';
import type { CallContext } from './call-context.js';
import type { Decoded } from './decode.js';
import type { OpenCalls } from './open-calls.js';
import { askForMessage } from './read-ahead.js';
import { toServiceError } from './status.js';
import { streamWriter } from './stream-writer.js';

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

/** The part of grpc-js' server calls that all kinds have. */
export interface AnyCall {
  readonly metadata: Metadata;
  getPeer(): string;
  readonly cancelled: boolean;
  on(event: 'cancelled', listener: () => void): unknown;
}

/** What the adapters of one method share. */
export interface Adapting {
  readonly names: CallNames;
  readonly onError: OnHandlerError;
  readonly open: OpenCalls;
  /** ServerWindows.widen. */
  readonly widen: (peer: string) => () => void;
  /** Who calls. Throws where he may not. */
  readonly admit: (call: AnyCall, first: Message | undefined) => CertificateFacts | undefined;
  /** Where requests are signed, a stream's caller is known by its first message, which must come within so many ms. */
  readonly firstMessageMs?: number | undefined;
}

interface Opened {
  readonly context: CallContext;
  /** The call is over: what grpc-js says after that is no cancellation. */
  readonly finish: () => void;
}

/** grpc-js also says 'cancelled' after every normal end: `finish` tells those apart. */
function openContext(
  call: AnyCall,
  { names, open, admit, widen }: Adapting,
  first: Message | undefined,
): Opened {
  const caller = admit(call, first);
  const controller = new AbortController();
  let finished = false;
  const abort = (reason: FedrotError): void => {
    if (!finished) controller.abort(reason);
  };
  call.on('cancelled', () => abort(callerLeft(names)));
  if (call.cancelled) abort(callerLeft(names));
  const strike = open.add({ caller, end: abort });
  return {
    context: {
      ...names,
      peer: call.getPeer(),
      widen: () => widen(call.getPeer()),
      caller,
      metadata: (key) => firstValue(call.metadata, key),
      signal: controller.signal,
    },
    finish: () => {
      finished = true;
      strike();
    },
  };
}

export function firstValue(metadata: Metadata, key: string): string | undefined {
  const value = metadata.get(key)[0];
  return value === undefined ? undefined : value.toString();
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

/**
 * The promise, or the rejection that ended the call before: nobody has to wait for the rest of a call that was ended. With
 * `expelledOnly` a caller that left by himself is the handler's affair.
 */
function unlessEnded<T>(promise: Promise<T>, { signal }: CallContext, expelledOnly = false): Promise<T> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      const reason = signal.reason as FedrotError;
      if (!expelledOnly || reason.code !== 'cancelled') reject(reason);
    };
    signal.addEventListener('abort', end, { once: true });
    promise.then(resolve, reject).finally(() => {
      signal.removeEventListener('abort', end);
    });
  });
}

/** Runs a handler with one answer to its end; nothing that it throws goes astray. */
function answer(
  { context, finish }: Opened,
  onError: OnHandlerError,
  run: () => Promise<Message>,
  respond: sendUnaryData<Message>,
): void {
  unlessEnded(run(), context, true).then(
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
}

export function adaptUnary(handler: UnaryHandler, adapting: Adapting) {
  return (call: ServerUnaryCall<Decoded<Message>, Message>, respond: sendUnaryData<Message>): void => {
    let opened: Opened;
    try {
      opened = openContext(call, adapting, call.request);
    } catch (refused) {
      respond(toServiceError(refused));
      return;
    }
    const run = async (): Promise<Message> => handler(valid(call.request), opened.context);
    answer(opened, adapting.onError, run, respond);
  };
}

type Incoming = AsyncIterator<Decoded<Message>, unknown, undefined>;

/** The messages of a call, each read when it is asked for (read-ahead.ts). */
function paced(iterator: Incoming, metadata: Metadata): Incoming {
  return {
    next: () => {
      askForMessage(metadata);
      return iterator.next();
    },
    return: (value) => iterator.return?.(value) ?? Promise.resolve({ done: true, value }),
  };
}

async function* incoming(
  first: IteratorResult<Decoded<Message>, unknown> | undefined,
  iterator: Incoming,
  context: CallContext,
): AsyncGenerator<Message, void, undefined> {
  try {
    for (let next = first ?? (await unlessEnded(iterator.next(), context)); next.done !== true;) {
      yield valid(next.value);
      next = await unlessEnded(iterator.next(), context);
    }
  } catch (error) {
    throw error instanceof FedrotError ? error : callerLeft(context);
  }
  // A destroyed call ends the iteration without an error.
  if (context.signal.aborted) throw callerLeft(context);
}

/** The first message of a stream, within the time. */
function firstOf(
  iterator: Incoming,
  limitMs: number,
  names: CallNames,
): Promise<IteratorResult<Decoded<Message>, unknown>> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new FedrotError('stream_truncated', `${names.method}: no message came within ${limitMs} ms`));
    }, limitMs);
    iterator
      .next()
      .then(resolve, () => {
        reject(callerLeft(names));
      })
      .finally(() => {
        clearTimeout(timer);
      });
  });
}

export function adaptClientStream(handler: ClientStreamHandler, adapting: Adapting) {
  const { names, firstMessageMs } = adapting;
  return (call: ServerReadableStream<Decoded<Message>, Message>, respond: sendUnaryData<Message>): void => {
    // The iteration reports failures; without a listener an error after an early return would be uncaught.
    call.on('error', () => undefined);
    // destroyOnReturn: a handler that answers early must still be able to answer.
    const iterator = paced(call.iterator({ destroyOnReturn: false }) as Incoming, call.metadata);
    const begin = (first?: IteratorResult<Decoded<Message>, unknown>): void => {
      const message = first === undefined || first.done === true ? undefined : first.value;
      const opened = openContext(call, adapting, message);
      const run = async (): Promise<Message> =>
        handler(incoming(first, iterator, opened.context), opened.context);
      answer(opened, adapting.onError, run, respond);
    };
    const refuse = (refused: unknown): void => {
      respond(toServiceError(refused));
    };
    if (firstMessageMs !== undefined) {
      firstOf(iterator, firstMessageMs, names).then(begin).catch(refuse);
      return;
    }
    try {
      begin();
    } catch (refused) {
      refuse(refused);
    }
  };
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

export function adaptServerStream(handler: ServerStreamHandler, adapting: Adapting) {
  const { onError } = adapting;
  return (call: ServerWritableStream<Decoded<Message>, Message>): void => {
    let opened: Opened;
    try {
      opened = openContext(call, adapting, call.request);
    } catch (refused) {
      call.emit('error', toServiceError(refused));
      return;
    }
    const { context, finish } = opened;
    const { signal } = context;
    const run = async (): Promise<void> => {
      const iterator = handler(valid(call.request), context)[Symbol.asyncIterator]();
      const write = streamWriter(call, signal);
      try {
        for (;;) {
          const next = await nextUnlessAborted(iterator, signal);
          if (signal.aborted) throw signal.reason as FedrotError;
          if (next.done === true) return;
          await write(next.value);
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
