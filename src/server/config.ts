import { z } from 'zod';
import { NAME, NAME_RULE } from '../name.js';
import { readConfig } from '../read-config.js';
import {
  DEFAULT_CHUNK_BYTES,
  DEFAULT_MAX_MESSAGE_BYTES,
  DEFAULT_WINDOW_BYTES,
  MAX_CHUNK_BYTES,
} from '../rpc/channel-options.js';
import { tracingSchema } from '../trace/tracing-config.js';
import { WEBHOOK_EVENTS } from './webhooks/webhook-events.js';

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
  http: listener(9471)
    .extend({
      auth: z
        .enum(['auto', 'none', 'token'])
        .default('auto')
        .describe(
          'who may ask for more than /healthz and /readyz: auto asks for a bearer token unless the address is loopback',
        ),
      tokenFile: z
        .string()
        .min(1)
        .optional()
        .describe(
          'file with a token that may look, for Prometheus, mode 0600; default pki/http-token in the data folder, made where it is missing',
        ),
    })
    .prefault({})
    .describe('dashboard and API (docs/http-api.md), /metrics, /healthz and /readyz'),
  security: z
    .strictObject({
      mode: z
        .enum(['auto', 'plaintext', 'tls', 'balancer'])
        .default('auto')
        .describe(
          'auto is plaintext on loopback and tls elsewhere; balancer is for TLS that ends at a load balancer: requests are signed',
        ),
      name: z
        .string()
        .regex(NAME, NAME_RULE)
        .default('main')
        .describe("the coordinator's name: in its certificate, and whom signed requests are for"),
      consortium: z
        .string()
        .regex(NAME, NAME_RULE)
        .default('fedrot')
        .describe('name of the authority that is made on first start'),
      hosts: z
        .array(z.string().min(1))
        .default([])
        .describe(
          'names and addresses under which silos reach the coordinator, beside those of this machine',
        ),
      minTlsVersion: z
        .enum(['TLSv1.3', 'TLSv1.2'])
        .default('TLSv1.3')
        .describe('oldest TLS version that is spoken'),
      certificateDays: z
        .number()
        .positive()
        .max(825)
        .default(90)
        .describe('how long certificates of silos and operators are valid; they are renewed by themselves'),
      authority: z
        .strictObject({
          certificate: z
            .string()
            .min(1)
            .optional()
            .describe('an own authority: PEM, the issuing certificate first, then its chain'),
          key: z.string().min(1).optional().describe('its private key: PEM, mode 0600'),
          root: z.string().min(1).optional().describe('the root, where the chain does not end with it'),
        })
        .prefault({})
        .refine(({ certificate, key }) => (certificate === undefined) === (key === undefined), {
          message: 'certificate and key belong together: give both or none',
        }),
    })
    .prefault({})
    .describe('who may join (docs/security.md)'),
  tracing: tracingSchema,
  webhooks: z
    .array(
      z.strictObject({
        url: z
          .url({ protocol: /^https?$/ })
          .describe('where events are posted as JSON; never logged but for its host'),
        events: z
          .array(z.enum(WEBHOOK_EVENTS))
          .min(1)
          .default([...WEBHOOK_EVENTS])
          .describe('what is told'),
        secretFile: z
          .string()
          .min(1)
          .optional()
          .describe(
            'file with the key of the HMAC-SHA256 in X-Fedrot-Signature, mode 0600; unsigned without',
          ),
      }),
    )
    .default([])
    .describe('who is told when a run finishes, fails or loses its quorum (docs/webhooks.md)'),
  retention: z
    .strictObject({
      keepUpdatesMs: z
        .int()
        .min(0)
        .max(10 * 365 * 86_400_000)
        .default(7 * 86_400_000)
        .describe(
          'raw updates are deleted so long after their round was published; manifests and adapters stay',
        ),
    })
    .prefault({}),
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
      maxConnections: z
        .int()
        .min(1)
        .max(1_000_000)
        .default(10_000)
        .describe('TLS connections at the same time'),
      maxConnectionsPerAddress: z
        .int()
        .min(1)
        .max(1_000_000)
        .default(1000)
        .describe('TLS connections from one address at the same time'),
      callsPerSecond: z
        .int()
        .min(1)
        .max(1_000_000)
        .default(200)
        .describe('calls of one party in a second; five times as many at once'),
      maxUploadsAtOnce: z
        .int()
        .min(1)
        .max(10_000)
        .default(3)
        .describe(
          'uploads that are taken at the same time; others wait their turn, those of slow links are taken besides. Each takes up to uploadWindowBytes of memory',
        ),
      uploadWindowBytes: z
        .int()
        .min(64 * KIB)
        .max(GIB)
        .default(DEFAULT_WINDOW_BYTES)
        .describe(
          'HTTP/2 window of an upload that is being taken, bytes: divided by the round-trip time it is the most that one upload can reach (8 MiB over 50 ms: 160 MB/s)',
        ),
      maxUploadsPerSilo: z.int().min(1).max(1000).default(4).describe('uploads of one silo at the same time'),
      maxUploadBytesPerDay: z
        .int()
        .min(1)
        .default(256 * GIB)
        .describe('what one silo may upload within 24 hours, bytes'),
      maxUpdateNorm: z
        .number()
        .positive()
        .default(1e6)
        .describe('Euclidean norm of all values of one update'),
      minFreeDiskBytes: z
        .int()
        .min(0)
        .default(256 * 1024 * KIB)
        .describe('uploads are refused when less than this would stay free, bytes'),
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
  return readConfig(coordinatorConfigSchema, value, where);
}
