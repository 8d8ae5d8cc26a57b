import { z } from 'zod';
import { FedrotError } from '../errors.js';
import { describeIssues } from '../run-spec.js';
import { DEFAULT_CHUNK_BYTES, DEFAULT_MAX_MESSAGE_BYTES, MAX_CHUNK_BYTES } from '../rpc/channel-options.js';

const MINUTE_MS = 60_000;
const KIB = 1024;
const GIB = 1024 ** 3;

const listener = (port: number) =>
  z.strictObject({
    host: z.string().min(1).default('127.0.0.1').describe('address to listen on; 0.0.0.0 or :: for all'),
    port: z.int().min(0).max(65_535).default(port).describe('port to listen on; 0 takes any free one'),
  });

/** Milliseconds, at most an hour. */
const duration = (min: number) =>
  z
    .int()
    .min(min)
    .max(60 * MINUTE_MS);

/** Configuration of the coordinator. Unknown keys are errors; what is missing gets its default. */
export const coordinatorConfigSchema = z.strictObject({
  dataFolder: z
    .string()
    .min(1)
    .describe('folder of database, adapters, updates and bundles; created where it is missing'),
  grpc: listener(9470).prefault({}).describe('for silos and operators'),
  http: listener(9471).prefault({}).describe('for /metrics, /healthz and /readyz'),
  limits: z
    .strictObject({
      maxUpdateBytes: z
        .int()
        .min(1)
        .default(4 * GIB)
        .describe('payload of one update or initial adapter, bytes'),
      maxBundleFileBytes: z
        .int()
        .min(1)
        .default(64 * GIB)
        .describe('one file of a bundle, bytes'),
      maxMessageBytes: z
        .int()
        .min(64 * KIB)
        .max(GIB)
        .default(DEFAULT_MAX_MESSAGE_BYTES)
        .describe('one gRPC message, bytes'),
      maxConcurrentStreams: z
        .int()
        .min(8)
        .max(100_000)
        .default(128)
        .describe('calls in flight on one connection'),
    })
    .prefault({}),
  chunkBytes: z
    .int()
    .min(4 * KIB)
    .max(MAX_CHUNK_BYTES)
    .default(DEFAULT_CHUNK_BYTES)
    .describe('payload of one chunk that the coordinator sends, and asks silos to send, bytes'),
  heartbeatIntervalMs: duration(50)
    .default(5000)
    .describe('how often silos have to be heard of; gone after three intervals of silence'),
  reconnectGraceMs: duration(0)
    .default(MINUTE_MS)
    .describe('after a start, silos that were at work have so long to come back before they count as gone'),
  streamIdleMs: duration(50)
    .default(MINUTE_MS)
    .describe('an upload that sends nothing for so long is given up; what has come stays for a continuation'),
  shutdownGraceMs: duration(0).default(8000).describe('on shutdown, uploads under way get so long to finish'),
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
