import type { ChannelOptions } from '@grpc/grpc-js';
import { FedrotError } from '../errors.js';

/** Preferred payload of one Chunk; 256 KiB to 1 MiB is the best range (docs/performance.md). */
export const DEFAULT_CHUNK_BYTES = 512 * 1024;
export const MAX_CHUNK_BYTES = 1024 * 1024;

/** Largest message that a coordinator or a silo receives: room for a manifest of tens of thousands of tensors. */
export const DEFAULT_MAX_MESSAGE_BYTES = 8 * 1024 * 1024;

/** HTTP/2 receive window where much is received; bytes. */
export const DEFAULT_WINDOW_BYTES = 8 * 1024 * 1024;

/** Operators receive whole runs with their history, from a coordinator that they trust. */
export const ADMIN_MAX_MESSAGE_BYTES = 256 * 1024 * 1024;

export interface TransportOptions {
  /** Largest message received; bytes, default 8 MiB. */
  readonly maxMessageBytes?: number;
  /** A ping after so long without traffic; default 30 s. */
  readonly keepaliveMs?: number;
  /** The connection is given up when a ping stays unanswered for so long; default 20 s. */
  readonly keepaliveTimeoutMs?: number;
}

export interface ServerTransportOptions extends TransportOptions {
  /** Calls in flight on one connection; default 128. A silo needs about four. */
  readonly maxConcurrentStreams?: number;
  /** HTTP/2 receive window of a stream that is being taken; bytes, default 8 MiB: 50 ms of round-trip time at 160 MB/s. */
  readonly flowControlWindowBytes?: number;
}

export interface ClientTransportOptions extends TransportOptions {
  /** HTTP/2 receive window; bytes, default 8 MiB: 50 ms of round-trip time at 160 MB/s. */
  readonly flowControlWindowBytes?: number;
}

/** An HTTP proxy that CONNECTs to the coordinator (RFC 9110, 9.3.6). */
export interface ConnectProxy {
  readonly host: string;
  readonly port: number;
  /** user:password, for Proxy-Authorization: Basic. */
  readonly credentials?: string;
}

/** `http://[user:password@]host:port`. Throws option_invalid. */
export function parseProxy(text: string): ConnectProxy {
  let url: URL;
  try {
    url = new URL(text);
  } catch (cause) {
    throw new FedrotError('option_invalid', 'proxy: expected http://host:port', { cause });
  }
  if (url.protocol !== 'http:' || url.hostname === '')
    throw new FedrotError(
      'option_invalid',
      `proxy: ${url.protocol} is not supported; expected http://host:port`,
    );
  let credentials: string;
  try {
    credentials = [url.username, url.password].map(decodeURIComponent).join(':');
  } catch (cause) {
    throw new FedrotError('option_invalid', 'proxy: user or password has a % that is no %XX', { cause });
  }
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? 80 : Number(url.port),
    ...(credentials !== ':' && { credentials }),
  };
}

const hostPort = ({ host, port }: ConnectProxy): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;

/** Where the channel connects, and what it asks for there. */
export function channelTarget(
  address: string,
  proxy: ConnectProxy | undefined,
): { target: string; options: ChannelOptions } {
  if (proxy === undefined) return { target: address, options: {} };
  return {
    target: hostPort(proxy),
    options: {
      'grpc.http_connect_target': `dns:${address}`,
      ...(proxy.credentials === undefined ? {} : { 'grpc.http_connect_creds': proxy.credentials }),
    },
  };
}

export function serverChannelOptions(options: ServerTransportOptions = {}): ChannelOptions {
  return {
    'grpc.max_receive_message_length': options.maxMessageBytes ?? DEFAULT_MAX_MESSAGE_BYTES,
    'grpc.max_send_message_length': -1,
    'grpc.max_concurrent_streams': options.maxConcurrentStreams ?? 128,
    'grpc.keepalive_time_ms': options.keepaliveMs ?? 30_000,
    'grpc.keepalive_timeout_ms': options.keepaliveTimeoutMs ?? 20_000,
  };
}

export function clientChannelOptions(options: ClientTransportOptions = {}): ChannelOptions {
  return {
    'grpc.max_receive_message_length': options.maxMessageBytes ?? DEFAULT_MAX_MESSAGE_BYTES,
    'grpc.max_send_message_length': -1,
    'grpc.keepalive_time_ms': options.keepaliveMs ?? 30_000,
    'grpc.keepalive_timeout_ms': options.keepaliveTimeoutMs ?? 20_000,
    'grpc.keepalive_permit_without_calls': 1,
    'grpc-node.flow_control_window': options.flowControlWindowBytes ?? DEFAULT_WINDOW_BYTES,
    // Retries are ours (retry.ts): grpc-js would keep whole uploads in memory to repeat them.
    'grpc.enable_retries': 0,
    'grpc.initial_reconnect_backoff_ms': 500,
    'grpc.max_reconnect_backoff_ms': 10_000,
    // Two clients in one process are two silos: each has its own connection.
    'grpc.use_local_subchannel_pool': 1,
    // A proxy is configured, never taken from the environment (parseProxy).
    'grpc.enable_http_proxy': 0,
  };
}
