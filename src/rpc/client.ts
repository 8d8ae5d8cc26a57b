import { createHash } from 'node:crypto';
import { Client, Metadata } from '@grpc/grpc-js';
import { signRequest } from '../pki/signed-request.js';
import {
  ADMIN_MAX_MESSAGE_BYTES,
  channelTarget,
  clientChannelOptions,
  type ClientTransportOptions,
  type ConnectProxy,
} from './channel-options.js';
import { splitAddress } from './address.js';
import { clientStreamCall, serverStreamCall, unaryCall, type CallEnvironment } from './client-calls.js';
import { channelCredentials, PLAINTEXT, type ClientSecurity } from './credentials.js';
import { adminService, enrolService, handlerName, siloService, type Service } from './protos.js';
import type { AdminCalls, EnrolCalls, SiloCalls } from './services.js';

export interface RpcClientOptions {
  /** `host:port`. */
  readonly address: string;
  /** Default plaintext. */
  readonly security?: ClientSecurity;
  /** Connects through it where given; never taken from the environment. */
  readonly proxy?: ConnectProxy;
  readonly transport?: ClientTransportOptions;
  /** Read before every call, e.g. { 'fedrot-session': … }. Keys in lower case. */
  readonly metadata?: () => Readonly<Record<string, string>>;
}

export type RpcClient<Calls> = Calls & {
  /** Further calls go over a new connection with this; calls under way end on the old one. */
  useSecurity(security: ClientSecurity): void;
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

/** How parties get and renew their certificates. */
export function createEnrolClient(options: RpcClientOptions): RpcClient<EnrolCalls> {
  return createClient<EnrolCalls>(enrolService, options);
}

function connect({ address, proxy, transport }: RpcClientOptions, security: ClientSecurity): Client {
  const { target, options } = channelTarget(address, proxy);
  const secured = channelCredentials(security, splitAddress(address).host);
  return new Client(target, secured.credentials, {
    ...clientChannelOptions(transport),
    ...options,
    ...secured.options,
  });
}

function createClient<Calls>(service: Service, options: RpcClientOptions): RpcClient<Calls> {
  let security = options.security ?? PLAINTEXT;
  let client = connect(options, security);
  const signing = () => (security.kind === 'tls' ? security.sign : undefined);
  const environment: CallEnvironment = {
    client: () => client,
    signed: () => signing() !== undefined,
    metadata: (path, body) => {
      const metadata = new Metadata();
      for (const [key, value] of Object.entries(options.metadata?.() ?? {})) metadata.set(key, value);
      const sign = signing();
      if (sign === undefined) return metadata;
      const bodySha256 = createHash('sha256').update(body()).digest();
      const statement = { audience: sign.audience, method: path, bodySha256 };
      for (const [key, value] of Object.entries(signRequest(statement, sign.credential, sign.now())))
        metadata.set(key, String(value));
      return metadata;
    },
  };
  const calls: Record<string, unknown> = {
    useSecurity: (renewed: ClientSecurity) => {
      const old = client;
      security = renewed;
      client = connect(options, renewed);
      old.close();
    },
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
