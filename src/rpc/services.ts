import type { ServerReadableStream, ServerWritableStream } from '@grpc/grpc-js';
import type { MethodDefinition } from '@grpc/proto-loader';
import type { CallContext } from './call-context.js';
import type { AdminServiceDefinition, AdminServiceHandlers } from './gen/fedrot/v1/AdminService.js';
import type { EnrolServiceDefinition, EnrolServiceHandlers } from './gen/fedrot/v1/EnrolService.js';
import type { Serialized } from './serialized.js';
import type { SiloServiceDefinition, SiloServiceHandlers } from './gen/fedrot/v1/SiloService.js';

/** The named members of a generated interface, without its index signature. */
type Named<T> = keyof { [K in keyof T as string extends K ? never : K]: T[K] } & string;

/** Which of the three kinds a generated handler type is. */
export type CallKind<Handle> = Handle extends (call: infer Call, ...rest: never[]) => void
  ? Call extends ServerReadableStream<infer _Q, infer _S>
    ? 'clientStream'
    : Call extends ServerWritableStream<infer _Q, infer _S>
      ? 'serverStream'
      : 'unary'
  : never;

interface HandlerOf<Request, Response> {
  unary: (request: Request, context: CallContext) => Promise<Response>;
  /**
   * The iteration throws cancelled where the caller is gone. A caller that cancels may look like one that has finished
   * (grpc-js half-closes a stream before it resets it): a stream is complete only with its digest. Returning early is allowed.
   */
  clientStream: (requests: AsyncIterable<Request>, context: CallContext) => Promise<Response>;
  /** The next message is asked for when the one before is on its way; the generator is returned when the caller leaves. */
  serverStream: (request: Request, context: CallContext) => AsyncIterable<Response | Serialized>;
}

type HandlersOf<Handles, Definition> = {
  readonly [
    M in Named<Handles> & keyof Definition & string as Uncapitalize<M>
  ]: Definition[M] extends MethodDefinition<
    infer _RequestInput,
    infer ResponseInput,
    infer Request,
    infer _Response
  >
    ? HandlerOf<Request, ResponseInput>[CallKind<Handles[M]>]
    : never;
};

/** Options of one client call. */
export interface CallOptions {
  /** The call fails with deadline_exceeded after so long. Unary calls: default 30,000. Streams: default none. */
  readonly deadlineMs?: number;
  /** The call fails with cancelled when this aborts. */
  readonly signal?: AbortSignal;
}

interface CallOf<Request, Response> {
  unary: (request: Request, options?: CallOptions) => Promise<Response>;
  /** Pulls the next request when the one before is on its way; stops pulling when the server has answered. */
  clientStream: (
    requests: AsyncIterable<Request> | Iterable<Request>,
    options?: CallOptions,
  ) => Promise<Response>;
  /** Back-pressure reaches the server; leaving the loop cancels the call. */
  serverStream: (request: Request, options?: CallOptions) => AsyncIterable<Response>;
}

type ClientOf<Handles, Definition> = {
  readonly [
    M in Named<Handles> & keyof Definition & string as Uncapitalize<M>
  ]: Definition[M] extends MethodDefinition<
    infer RequestInput,
    infer _ResponseInput,
    infer _Request,
    infer Response
  >
    ? CallOf<RequestInput, Response>[CallKind<Handles[M]>]
    : never;
};

/**
 * The services as plain functions, derived from the generated types. Received messages have every field (`TrainTask`),
 * messages to send may leave fields out (`TrainTaskInput`); both lie in gen/fedrot/v1. Handlers throw FedrotError.
 *
 *   unary           (request, context) => Promise<response>
 *   client stream   (requests: AsyncIterable, context) => Promise<response>
 *   server stream   (request, context) => AsyncIterable<response>     e.g. an async generator
 */
export type SiloHandlers = HandlersOf<SiloServiceHandlers, SiloServiceDefinition>;
export type AdminHandlers = HandlersOf<AdminServiceHandlers, AdminServiceDefinition>;
export type EnrolHandlers = HandlersOf<EnrolServiceHandlers, EnrolServiceDefinition>;

/** The same services seen by a client; every failure is a FedrotError. */
export type SiloCalls = ClientOf<SiloServiceHandlers, SiloServiceDefinition>;
export type AdminCalls = ClientOf<AdminServiceHandlers, AdminServiceDefinition>;
export type EnrolCalls = ClientOf<EnrolServiceHandlers, EnrolServiceDefinition>;
