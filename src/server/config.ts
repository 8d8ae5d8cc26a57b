import { z } from 'zod';
import { FedrotError } from '../errors.js';
import { describeIssues } from '../run-spec.js';
import { DEFAULT_CHUNK_BYTES, DEFAULT_MAX_MESSAGE_BYTES, MAX_CHUNK_BYTES } from '../rpc/channel-options.js';

const MINUTE_MS = 60_000;
const KIB = 1024;
const GIB = 1024 ** 3;

const listener = (port: number) =>
  z.strictObject({
    /** Address to listen on; 0.0.0.0 or :: for all. */
    host: z.string().min(1).default('127.0.0.1'),
    /** 0 takes any free one. */
    port: z.int().min(0).max(65_535).default(port),
  });

/** Configuration of the coordinator. Unknown keys are errors; what is missing gets its default. */
export const coordinatorConfigSchema = z.strictObject({
  /** Where database, adapters, updates and bundles lie; created where it is missing. */
  dataFolder: z.string().min(1),
  /** For silos and operators. */
  grpc: listener(9470).prefault({}),
  /** For /metrics, /healthz and /readyz. */
  http: listener(9471).prefault({}),
  limits: z
    .strictObject({
      /** Payload of one update or initial adapter. */
      maxUpdateBytes: z
        .int()
        .min(1)
        .default(4 * GIB),
      /** One file of a bundle. */
      maxBundleFileBytes: z
        .int()
        .min(1)
        .default(64 * GIB),
      /** One gRPC message. */
      maxMessageBytes: z
        .int()
        .min(64 * KIB)
        .max(GIB)
        .default(DEFAULT_MAX_MESSAGE_BYTES),
      /** Calls in flight on one connection. */
      maxConcurrentStreams: z.int().min(8).max(100_000).default(128),
    })
    .prefault({}),
  /** Payload of one chunk that the coordinator sends, and asks silos to send. */
  chunkBytes: z
    .int()
    .min(4 * KIB)
    .max(MAX_CHUNK_BYTES)
    .default(DEFAULT_CHUNK_BYTES),
  /** How often silos have to be heard of; gone after three intervals of silence. */
  heartbeatIntervalMs: z
    .int()
    .min(50)
    .max(10 * MINUTE_MS)
    .default(5000),
  /** After a start, silos that were at work have so long to come back before they count as gone. */
  reconnectGraceMs: z
    .int()
    .min(0)
    .max(60 * MINUTE_MS)
    .default(MINUTE_MS),
  /** An upload that sends nothing for so long is given up; what has come stays for a continuation. */
  streamIdleMs: z
    .int()
    .min(50)
    .max(60 * MINUTE_MS)
    .default(MINUTE_MS),
  /** On shutdown, uploads under way get so long to finish. */
  shutdownGraceMs: z
    .int()
    .min(0)
    .max(60 * MINUTE_MS)
    .default(8000),
});

export type CoordinatorConfig = Readonly<z.output<typeof coordinatorConfigSchema>>;
export type CoordinatorConfigInput = z.input<typeof coordinatorConfigSchema>;

/** Any value as a configuration with defaults. Throws config_unknown_key or config_invalid; `where` names the file. */
export function parseCoordinatorConfig(
  value: unknown,
  where = 'coordinator configuration',
): CoordinatorConfig {
  const parsed = coordinatorConfigSchema.safeParse(value);
  if (parsed.success) return Object.freeze(parsed.data);
  const unknown = parsed.error.issues.some((issue) => issue.code === 'unrecognized_keys');
  throw new FedrotError(
    unknown ? 'config_unknown_key' : 'config_invalid',
    `${where}: ${describeIssues(parsed.error)}`,
  );
}
