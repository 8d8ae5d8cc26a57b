import { logVerbosity, Server, ServerCredentials, setLogVerbosity } from '@grpc/grpc-js';
import { ReflectionService } from '@grpc/reflection';
import { HealthImplementation } from 'grpc-health-check';
import { FedrotError } from '../errors.js';
import type { CertificateFacts } from '../pki/certificate.js';
import { splitAddress } from './address.js';
import { firstValue, type Adapting, type AnyCall, type OnHandlerError } from './adapt-handler.js';
import { setCaller } from './callers.js';
import {
  DEFAULT_MAX_MESSAGE_BYTES,
  DEFAULT_WINDOW_BYTES,
  serverChannelOptions,
  type ServerTransportOptions,
} from './channel-options.js';
import { PLAINTEXT, type ServerSecurity } from './credentials.js';
import { rawBytesOf } from './decode.js';
import type { CallGuard } from './guard.js';
import { certificateOf, gate, statusObserver, type CallEnd } from './interceptors.js';
import { OpenCalls } from './open-calls.js';
import { limitReadAhead } from './read-ahead.js';
import { adminService, enrolService, reflectionPackage, siloService } from './protos.js';
import { listenSecurely, type SecureListener } from './secure-listener.js';
import { implementation } from './serve-method.js';
import { ServerWindows } from './server-windows.js';
import type { AdminHandlers, EnrolHandlers, SiloHandlers } from './services.js';

export interface RpcServerOptions {
  readonly silo?: SiloHandlers;
  readonly admin?: AdminHandlers;
  readonly enrol?: EnrolHandlers;
  readonly transport?: ServerTransportOptions;
  /** Default plaintext. */
  readonly security?: ServerSecurity;
  /** Asked before every call; default: everyone may. */
  readonly guard?: CallGuard;
  /** For metrics and evidence. */
  readonly onCallEnd?: (end: CallEnd) => void;
  /** For the log: what a handler threw, with details and cause, before the caller is told the clear message only. */
  readonly onHandlerError?: OnHandlerError;
}

export interface RpcServer {
  /** Binds `host:port` (port 0: any free one) and serves; resolves with the port. Throws unavailable where the address is taken. */
  listen(address: string): Promise<number>;
  /** What grpc.health.v1 answers, for '' (the whole server) and every service. SERVING after listen. */
  setServing(serving: boolean): void;
  /** The server's own certificate for connections from now on: renewal without a restart. */
  useCredential(credential: Extract<ServerSecurity, { kind: 'tls' }>['credential']): void;
  /** Ends the open calls of parties that `match` with `reason`, and cuts their connections; returns how many connections or calls. */
  expel(match: (caller: CertificateFacts) => boolean, reason: FedrotError): number;
  /** Health says NOT_SERVING, no new calls; those under way get `graceMs` (default 5,000), then are cut. Idempotent. */
  close(graceMs?: number): Promise<void>;
}

const SERVICES = { silo: siloService, admin: adminService, enrol: enrolService } as const;

/** A signed stream shows its first message within so long; ms. */
const FIRST_MESSAGE_MS = 30_000;

/** A server with the given services, grpc.health.v1 and, where callers are known by their connection, server reflection. */
export function createRpcServer(options: RpcServerOptions): RpcServer {
  // What fails is reported by us; grpc-js would print it a second time.
  setLogVerbosity(logVerbosity.NONE);
  const { guard, security = PLAINTEXT } = options;
  const signed = guard?.signed === true;
  const open = new OpenCalls();
  let listener: SecureListener | undefined;
  const problemOf = (peer: string): string | undefined => listener?.problemOf(peer);
  const maxMessageBytes = options.transport?.maxMessageBytes ?? DEFAULT_MAX_MESSAGE_BYTES;
  const observer = statusObserver(options.onCallEnd ?? (() => undefined), maxMessageBytes);
  const windows = new ServerWindows(options.transport?.flowControlWindowBytes ?? DEFAULT_WINDOW_BYTES);
  const server = new Server({
    ...serverChannelOptions(options.transport),
    // A signed call is admitted by its adapter, which sees the first message; all others when their headers are there.
    interceptors:
      guard === undefined
        ? [observer, limitReadAhead]
        : [
            observer,
            limitReadAhead,
            gate((call) => {
              if (!signed || !call.service.startsWith('fedrot.')) guard.admit(call);
            }, problemOf),
          ],
  });
  const admit = (service: string, method: string) => (call: AnyCall, first: object | undefined) =>
    guard?.[signed ? 'admit' : 'identify']({
      service: `fedrot.v1.${service}`,
      method,
      peer: call.getPeer(),
      certificate: certificateOf(call as unknown as Parameters<typeof certificateOf>[0]),
      certificateProblem: problemOf(call.getPeer()),
      ...(signed && { body: first === undefined ? undefined : rawBytesOf(first) }),
      metadata: (key) => firstValue(call.metadata, key),
      identified: (caller) => {
        setCaller(call.metadata, caller);
      },
    });
  const served = [''];
  for (const key of ['silo', 'admin', 'enrol'] as const) {
    const handlers = options[key];
    if (handlers === undefined) continue;
    const service = SERVICES[key];
    const adaptingOf = (method: string, handler: string): Adapting => ({
      names: { service: service.name, method: handler },
      onError: options.onHandlerError ?? (() => undefined),
      open,
      widen: (peer) => windows.widen(peer),
      admit: admit(service.name, method),
      ...(signed && { firstMessageMs: FIRST_MESSAGE_MS }),
    });
    const wrapped = implementation(service, handlers, adaptingOf, signed);
    server.addService(wrapped.definition, wrapped.handlers);
    served.push(`fedrot.v1.${service.name}`);
  }
  const health = new HealthImplementation();
  health.addToServer(server);
  if (!signed) new ReflectionService(reflectionPackage).addToServer(server);

  const setServing = (serving: boolean): void => {
    for (const name of served) health.setStatus(name, serving ? 'SERVING' : 'NOT_SERVING');
  };
  setServing(false);
  let closing: Promise<void> | undefined;

  return {
    setServing,
    async listen(address) {
      let port: number;
      if (security.kind === 'plaintext') port = await bind(server, address);
      else {
        const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
        listener = await listenSecurely(splitAddress(address), security, (socket) => {
          injector.injectConnection(socket);
        });
        ({ port } = listener);
      }
      windows.watch(server);
      setServing(true);
      return port;
    },
    useCredential: (credential) => listener?.useCredential(credential),
    expel: (match, reason) => {
      const calls = open.end(match, reason);
      return listener?.cut(match) ?? calls;
    },
    close(graceMs = 5000) {
      closing ??= (async () => {
        setServing(false);
        listener?.close();
        await shutDown(server, graceMs);
      })();
      return closing;
    },
  };
}

function bind(server: Server, address: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, port) => {
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
