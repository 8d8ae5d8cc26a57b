import {
  logVerbosity,
  Metadata,
  Server,
  ServerInterceptingCall,
  setLogVerbosity,
  status,
  type ServerInterceptor,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { ReflectionService } from '@grpc/reflection';
import { HealthImplementation } from 'grpc-health-check';
import { FedrotError, type ErrorCode } from '../errors.js';
import { adaptClientStream, adaptServerStream, adaptUnary, type OnHandlerError } from './adapt-handler.js';
import {
  DEFAULT_MAX_MESSAGE_BYTES,
  serverChannelOptions,
  type ServerTransportOptions,
} from './channel-options.js';
import { PLAINTEXT, serverCredentials, type Security } from './credentials.js';
import { decodeRequest } from './decode.js';
import {
  adminService,
  handlerName,
  reflectionPackage,
  siloService,
  type Method,
  type Service,
} from './protos.js';
import type { AdminHandlers, SiloHandlers } from './services.js';
import { CODE_TRAILER, codeOfStatus } from './status.js';

/** How a call ended, once for every call: also those that grpc-js refused before a handler saw them. */
export interface CallEnd {
  /** E.g. SiloService. */
  readonly service: string;
  /** E.g. SubmitUpdate, as in the proto. */
  readonly method: string;
  readonly code: 'ok' | ErrorCode;
}

export interface RpcServerOptions {
  readonly silo?: SiloHandlers;
  readonly admin?: AdminHandlers;
  readonly transport?: ServerTransportOptions;
  /** Default plaintext. */
  readonly security?: Security;
  /** For metrics. */
  readonly onCallEnd?: (end: CallEnd) => void;
  /** For the log: what a handler threw, with details and cause, before the caller is told the clear message only. */
  readonly onHandlerError?: OnHandlerError;
}

export interface RpcServer {
  /** Binds `host:port` (port 0: any free one) and serves; resolves with the port. Throws unavailable where the address is taken. */
  listen(address: string): Promise<number>;
  /** What grpc.health.v1 answers, for '' (the whole server) and every service. SERVING after listen. */
  setServing(serving: boolean): void;
  /** Health says NOT_SERVING, no new calls; those under way get `graceMs` (default 5,000), then are cut. Idempotent. */
  close(graceMs?: number): Promise<void>;
}

const SERVICES = { silo: siloService, admin: adminService } as const;

/** A status as grpc-js hands it on. */
interface Sent {
  readonly code: status;
  readonly details: string;
  readonly metadata?: Metadata | null;
}

type LooseHandlers = Readonly<Record<string, (...args: never[]) => unknown>>;

/** Wraps every handler for grpc-js; a missing one is a programming error found at once. */
function implementation(
  { name, methods }: Service,
  handlers: LooseHandlers,
  onError: OnHandlerError,
): { definition: ServiceDefinition; handlers: UntypedServiceImplementation } {
  const adapted: UntypedServiceImplementation = {};
  const decoding: Record<string, Method> = {};
  for (const [key, method] of Object.entries(methods)) {
    const methodName = handlerName(key);
    const handler = handlers[methodName];
    if (handler === undefined) throw new FedrotError('internal', `${name} has no handler for ${methodName}`);
    const names = { service: name, method: methodName };
    const bound = handler.bind(handlers);
    const adapt = method.requestStream
      ? adaptClientStream
      : method.responseStream
        ? adaptServerStream
        : adaptUnary;
    adapted[key] = adapt(bound as never, names, onError) as UntypedServiceImplementation[string];
    decoding[key] = { ...method, requestDeserialize: decodeRequest(method) };
  }
  return { definition: decoding, handlers: adapted };
}

/** A status with its code trailer; statuses of grpc-js itself get one and, where theirs is unclear, a better message. */
function withTrailer(given: Sent, maxMessageBytes: number): Sent {
  if (given.code === status.OK || (given.metadata?.get(CODE_TRAILER).length ?? 0) > 0) return given;
  const code = codeOfStatus({ code: given.code, details: given.details, metadata: null });
  const metadata = given.metadata?.clone() ?? new Metadata();
  metadata.set(CODE_TRAILER, code);
  const details =
    code === 'message_too_large'
      ? `${given.details}: this server takes messages of at most ${maxMessageBytes} bytes; send tensors in chunks`
      : given.details;
  return { ...given, details, metadata };
}

/**
 * Gives every status that leaves the server its code trailer, and reports it. grpc-js sends some statuses itself (a
 * message over the limit, a passed deadline) through the same method of the same object, so this sees all of them.
 */
function statusObserver(onCallEnd: (end: CallEnd) => void, maxMessageBytes: number): ServerInterceptor {
  return (method, call) => {
    const [, servicePath = '', methodName = ''] = method.path.split('/');
    const service = servicePath.slice(servicePath.lastIndexOf('.') + 1);
    const send = call.sendStatus.bind(call);
    let ended = false;
    call.sendStatus = (given): void => {
      const final = withTrailer(given as Sent, maxMessageBytes);
      if (!ended) {
        ended = true;
        onCallEnd({
          service,
          method: methodName,
          code: final.code === status.OK ? 'ok' : codeOfStatus(final),
        });
      }
      send(final);
    };
    return new ServerInterceptingCall(call);
  };
}

/** A server with the given services, grpc.health.v1 and server reflection. */
export function createRpcServer(options: RpcServerOptions): RpcServer {
  // What fails is reported by us; grpc-js would print it a second time.
  setLogVerbosity(logVerbosity.NONE);
  const server = new Server({
    ...serverChannelOptions(options.transport),
    interceptors: [
      statusObserver(
        options.onCallEnd ?? (() => undefined),
        options.transport?.maxMessageBytes ?? DEFAULT_MAX_MESSAGE_BYTES,
      ),
    ],
  });
  const served = [''];
  for (const key of ['silo', 'admin'] as const) {
    const handlers = options[key];
    if (handlers === undefined) continue;
    const service = SERVICES[key];
    const wrapped = implementation(service, handlers, options.onHandlerError ?? (() => undefined));
    server.addService(wrapped.definition, wrapped.handlers);
    served.push(`fedrot.v1.${service.name}`);
  }
  const health = new HealthImplementation();
  health.addToServer(server);
  new ReflectionService(reflectionPackage).addToServer(server);

  const setServing = (serving: boolean): void => {
    for (const name of served) health.setStatus(name, serving ? 'SERVING' : 'NOT_SERVING');
  };
  setServing(false);
  let closing: Promise<void> | undefined;

  return {
    setServing,
    async listen(address) {
      const port = await bind(server, address, options.security ?? PLAINTEXT);
      setServing(true);
      return port;
    },
    close(graceMs = 5000) {
      closing ??= (async () => {
        setServing(false);
        await shutDown(server, graceMs);
      })();
      return closing;
    },
  };
}

function bind(server: Server, address: string, security: Security): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, serverCredentials(security), (error, port) => {
      if (error === null) resolve(port);
      else
        reject(
          new FedrotError(
            'unavailable',
            `cannot listen on ${address}: ${error.message}; is the address in use?`,
            {
              cause: error,
            },
          ),
        );
    });
  });
}

function shutDown(server: Server, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const cut = setTimeout(() => {
      server.forceShutdown();
    }, graceMs);
    server.tryShutdown(() => {
      clearTimeout(cut);
      resolve();
    });
  });
}
