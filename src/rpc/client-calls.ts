import type { CallOptions as GrpcCallOptions, Client, Metadata } from '@grpc/grpc-js';
import { FedrotError } from '../errors.js';
import { decodeResponse, type Decoded } from './decode.js';
import type { Method } from './protos.js';
import type { CallOptions } from './services.js';
import { fromServiceError } from './status.js';

/** The three kinds of calls as promises and iterables over one grpc-js client. */
export interface CallEnvironment {
  /** The connection of the moment: a renewed certificate brings a new one. */
  readonly client: () => Client;
  /** For the method and its first message as it goes over the wire. */
  readonly metadata: (path: string, body: () => Uint8Array) => Metadata;
  /** True where requests are signed: a stream's first message must then be known before the call begins. */
  readonly signed: () => boolean;
}

/** A unary call without an answer after so long has failed; ms. */
const DEFAULT_UNARY_DEADLINE_MS = 30_000;

function grpcOptions(deadlineMs: number | undefined): GrpcCallOptions {
  return deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs };
}

function cancelled(method: Method): FedrotError {
  return new FedrotError('cancelled', `${method.path} was cancelled by this side`);
}

/** Cancels the call when the signal aborts; returns how to stop listening. */
function cancelOnAbort(signal: AbortSignal | undefined, call: { cancel(): void }): () => void {
  if (signal === undefined) return () => undefined;
  const cancel = (): void => {
    call.cancel();
  };
  signal.addEventListener('abort', cancel, { once: true });
  return () => {
    signal.removeEventListener('abort', cancel);
  };
}

/** Settles a promise once from a grpc-js callback. */
function settle(
  resolve: (response: object) => void,
  reject: (error: FedrotError) => void,
): (error: unknown, response?: Decoded<object>) => void {
  return (error, response) => {
    if (error !== null) reject(fromServiceError(error));
    else if (response === undefined) reject(new FedrotError('internal', 'the server answered nothing'));
    else if (response instanceof FedrotError) reject(response);
    else resolve(response);
  };
}

export function unaryCall({ client, metadata }: CallEnvironment, method: Method) {
  const decode = decodeResponse(method);
  return (request: object, options: CallOptions = {}): Promise<object> =>
    new Promise((resolve, reject) => {
      if (options.signal?.aborted === true) {
        reject(cancelled(method));
        return;
      }
      const done = settle(resolve, reject);
      const call = client().makeUnaryRequest<object, Decoded<object>>(
        method.path,
        method.requestSerialize,
        decode,
        request,
        metadata(method.path, () => method.requestSerialize(request)),
        grpcOptions(options.deadlineMs ?? DEFAULT_UNARY_DEADLINE_MS),
        (error, response) => {
          release();
          done(error, response);
        },
      );
      const release = cancelOnAbort(options.signal, call);
    });
}

/** The requests once more, and the first of them, which is taken only where it is wanted. */
async function peek(
  requests: AsyncIterable<object> | Iterable<object>,
  wanted: boolean,
): Promise<{ first?: object; all: AsyncIterable<object> | Iterable<object> }> {
  if (!wanted) return { all: requests };
  const iterator =
    Symbol.asyncIterator in requests ? requests[Symbol.asyncIterator]() : requests[Symbol.iterator]();
  const begin = await iterator.next();
  if (begin.done === true) return { all: [] };
  async function* all(): AsyncGenerator<object, void, undefined> {
    try {
      for (let next: IteratorResult<object> = begin; next.done !== true; next = await iterator.next())
        yield next.value;
    } finally {
      await iterator.return?.();
    }
  }
  return { first: begin.value, all: all() };
}

const NOTHING = new Uint8Array();

export function clientStreamCall(environment: CallEnvironment, method: Method) {
  const send = sendStream(environment, method);
  return async (
    requests: AsyncIterable<object> | Iterable<object>,
    options: CallOptions = {},
  ): Promise<object> => {
    const { first, all } = await peek(requests, environment.signed());
    return send(all, first === undefined ? NOTHING : method.requestSerialize(first), options);
  };
}

function sendStream({ client, metadata }: CallEnvironment, method: Method) {
  const decode = decodeResponse(method);
  return (
    requests: AsyncIterable<object> | Iterable<object>,
    body: Uint8Array,
    options: CallOptions,
  ): Promise<object> =>
    new Promise((resolve, reject) => {
      if (options.signal?.aborted === true) {
        reject(cancelled(method));
        return;
      }
      let answered = false;
      let wake: () => void = () => undefined;
      const done = settle(resolve, reject);
      const call = client().makeClientStreamRequest<object, Decoded<object>>(
        method.path,
        method.requestSerialize,
        decode,
        metadata(method.path, () => body),
        grpcOptions(options.deadlineMs),
        (error, response) => {
          answered = true;
          release();
          wake();
          done(error, response);
        },
      );
      const release = cancelOnAbort(options.signal, call);
      call.on('error', () => undefined); // the callback tells
      call.on('drain', () => {
        wake();
      });
      const pump = async (): Promise<void> => {
        for await (const request of requests) {
          // `answered` changes in the callback above.
          if (isTrue(() => answered)) return;
          if (!call.write(request) && !isTrue(() => answered))
            await new Promise<void>((resume) => {
              wake = resume;
            });
        }
        call.end();
      };
      pump().catch((error: unknown) => {
        // What the caller's own iteration threw is what the caller wants to know.
        reject(fromServiceError(error));
        call.cancel();
      });
    });
}

/** Reads a variable that callbacks change, where the compiler believes it constant. */
function isTrue(read: () => boolean): boolean {
  return read();
}

export function serverStreamCall({ client, metadata }: CallEnvironment, method: Method) {
  const decode = decodeResponse(method);
  return async function* (
    request: object,
    options: CallOptions = {},
  ): AsyncGenerator<object, void, undefined> {
    if (options.signal?.aborted === true) throw cancelled(method);
    const call = client().makeServerStreamRequest<object, Decoded<object>>(
      method.path,
      method.requestSerialize,
      decode,
      request,
      metadata(method.path, () => method.requestSerialize(request)),
      grpcOptions(options.deadlineMs),
    );
    // The iteration reports errors; this keeps one that comes after an early return from being uncaught.
    call.on('error', () => undefined);
    const release = cancelOnAbort(options.signal, call);
    try {
      for await (const message of call as AsyncIterable<Decoded<object>>) {
        if (message instanceof FedrotError) throw message;
        yield message;
      }
    } catch (error) {
      throw fromServiceError(error);
    } finally {
      release();
      call.cancel();
    }
  };
}
