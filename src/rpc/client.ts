import { Client, Metadata } from '@grpc/grpc-js';
import {
  ADMIN_MAX_MESSAGE_BYTES,
  clientChannelOptions,
  type ClientTransportOptions,
} from './channel-options.js';
import { clientStreamCall, serverStreamCall, unaryCall, type CallEnvironment } from './client-calls.js';
import { channelCredentials, PLAINTEXT, type Security } from './credentials.js';
import { adminService, handlerName, siloService, type Service } from './protos.js';
import type { AdminCalls, SiloCalls } from './services.js';

export interface RpcClientOptions {
  /** `host:port`. */
  readonly address: string;
  /** Default plaintext. */
  readonly security?: Security;
  readonly transport?: ClientTransportOptions;
  /** Read before every call, e.g. { 'fedrot-session': … }. Keys in lower case. */
  readonly metadata?: () => Readonly<Record<string, string>>;
}

export type RpcClient<Calls> = Calls & {
  /** Ends the connection; calls under way fail with cancelled. */
  close(): void;
};

/** Calls of a silo. Connects with the first call, and again by itself after a break. */
export function createSiloClient(options: RpcClientOptions): RpcClient<SiloCalls> {
  return createClient<SiloCalls>(siloService, options);
}

/** Calls of an operator. */
export function createAdminClient(options: RpcClientOptions): RpcClient<AdminCalls> {
  const transport = { maxMessageBytes: ADMIN_MAX_MESSAGE_BYTES, ...options.transport };
  return createClient<AdminCalls>(adminService, { ...options, transport });
}

function createClient<Calls>(service: Service, options: RpcClientOptions): RpcClient<Calls> {
  const client = new Client(
    options.address,
    channelCredentials(options.security ?? PLAINTEXT),
    clientChannelOptions(options.transport),
  );
  const environment: CallEnvironment = {
    client,
    metadata: () => {
      const metadata = new Metadata();
      for (const [key, value] of Object.entries(options.metadata?.() ?? {})) metadata.set(key, value);
      return metadata;
    },
  };
  const calls: Record<string, unknown> = {
    close: () => {
      client.close();
    },
  };
  for (const [key, method] of Object.entries(service.methods)) {
    const make = method.requestStream
      ? clientStreamCall
      : method.responseStream
        ? serverStreamCall
        : unaryCall;
    calls[handlerName(key)] = make(environment, method);
  }
  return calls as unknown as RpcClient<Calls>;
}
