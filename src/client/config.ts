import { z } from 'zod';
import { LOG_LEVELS } from '../log.js';
import { NAME, NAME_RULE } from '../name.js';
import { tracingSchema } from '../trace/tracing-config.js';
import { acceptSchema } from './accept/accept-config.js';
import { dataSchema } from './data/data-config.js';

const path = z.string().min(1);

/** HH:MM-HH:MM; an end before the beginning is on the next day. */
export const HOURS = /^([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)$/;

/** Everything that a silo's daemon can be told. Paths are relative to the working directory. */
export const clientConfigSchema = z
  .strictObject({
    name: z.string().regex(NAME, NAME_RULE).describe('name of the silo, unique in the consortium'),
    coordinator: z
      .string()
      .regex(
        /^(\[[0-9a-fA-F:.]+\]|[^\s:/]+):\d{1,5}$/,
        'must be host:port, e.g. coordinator.example.org:9470',
      )
      .default('localhost:9470')
      .describe('address of the coordinator, host:port'),
    role: z
      .enum(['trainer', 'evaluator'])
      .default('trainer')
      .describe('trainer trains on its data; evaluator only scores adapters on a test set'),
    data: dataSchema.prefault({}),
    folder: path
      .default('./fedrot-silo')
      .describe('folder for the base model, adapters and finished updates'),
    adapter: path
      .optional()
      .describe(
        "folder of an adapter of the silo's own, as PEFT writes it: where a run says training.start, round 1 begins from it",
      ),
    rank: z
      .int()
      .min(1)
      .max(1024)
      .optional()
      .describe(
        "LoRA rank that this silo trains with where the run's is larger; the method must allow ranks of the silos' own",
      ),
    threads: z
      .int()
      .min(1)
      .max(1024)
      .optional()
      .describe('threads for training; default all cores. Results repeat for the same number only'),
    spinning: z
      .boolean()
      .default(false)
      .describe('let waiting threads spin: a little faster where the daemon has the cores to itself'),
    shutdownGraceMs: z
      .int()
      .min(0)
      .max(3_600_000)
      .default(20_000)
      .describe('how long a task under way may go on after SIGTERM; milliseconds'),
    security: z
      .strictObject({
        mode: z
          .enum(['auto', 'plaintext', 'tls', 'signed'])
          .default('auto')
          .describe(
            'auto goes by the enrolment, and without one is plaintext on loopback; signed is for coordinators behind a load balancer',
          ),
        credential: path
          .optional()
          .describe('folder of key and certificate; default credential in the folder above'),
        roots: path
          .optional()
          .describe(
            "PEM file of further authorities to trust, e.g. a company's own; `system` for those of Node",
          ),
        proxy: z
          .string()
          .min(1)
          .optional()
          .describe('HTTP proxy that CONNECTs to the coordinator, http://host:port'),
        minTlsVersion: z
          .enum(['TLSv1.3', 'TLSv1.2'])
          .default('TLSv1.3')
          .describe('oldest TLS version that is spoken'),
      })
      .prefault({})
      .describe('how the coordinator is reached (docs/security.md)'),
    training: z
      .strictObject({
        prefixCache: z
          .enum(['auto', 'on', 'off'])
          .default('auto')
          .describe(
            'keep what the layers below the first adapted one make of each example: auto where an example comes more than once and that saves at least 15 % of the weight products, on wherever it saves any',
          ),
        prefixCacheMemoryBytes: z
          .int()
          .min(0)
          .default(512 * 1024 ** 2)
          .describe('memory for that, bytes; what does not fit goes to disk, or is computed every time'),
        prefixCacheDiskBytes: z
          .int()
          .min(0)
          .default(0)
          .describe('disk space for that, in the folder above, bytes'),
        checkpointMs: z
          .int()
          .min(0)
          .max(3_600_000)
          .default(10_000)
          .describe(
            'how often training under way is stored, so that a daemon that was killed goes on there and comes to the same result; milliseconds, 0 after every step',
          ),
      })
      .prefault({})
      .describe('how the silo trains; results do not depend on it beyond rounding'),
    accept: acceptSchema.prefault({}).describe('what the silo does without asking its administrator'),
    limits: z
      .strictObject({
        maxMemoryBytes: z
          .int()
          .min(64 * 1024 ** 2)
          .optional()
          .describe('a task is given up when the process has more memory than this, bytes'),
        maxDiskBytes: z
          .int()
          .min(1024 ** 2)
          .optional()
          .describe('what the folder above may hold, bytes; more is not fetched'),
        hours: z
          .string()
          .regex(HOURS, 'must be HH:MM-HH:MM, e.g. 20:00-06:00')
          .optional()
          .describe('hours of the day (local time) in which tasks are done, e.g. 20:00-06:00'),
      })
      .prefault({})
      .describe('resources beside threads'),
    tracing: tracingSchema,
    metrics: z
      .strictObject({
        host: z
          .string()
          .min(1)
          .default('127.0.0.1')
          .describe('address to serve /metrics on; anyone who reaches it reads losses and counts'),
        port: z
          .int()
          .min(0)
          .max(65_535)
          .optional()
          .describe('port of /metrics and /healthz, e.g. 9472; 0 takes any free one; not served by default'),
      })
      .prefault({})
      .describe('for Prometheus (docs/metrics.md)'),
    log: z
      .strictObject({
        level: z.enum(LOG_LEVELS).default('info').describe('least severe level that is logged'),
        format: z.enum(['auto', 'json', 'pretty']).default('auto').describe('auto is pretty on a terminal'),
      })
      .prefault({}),
    scrambleBasis: z
      .boolean()
      .default(false)
      .describe(
        'for experiments: rotate the factors of every update by a random rotation, which leaves the update unchanged',
      ),
  })
  .superRefine((config, context) => {
    const needed = config.role === 'trainer' ? 'train' : 'test';
    if (config.data[needed] === undefined)
      context.addIssue({
        code: 'custom',
        path: ['data', needed],
        message: `is required for the role ${config.role}: the file with the examples`,
      });
  });

export type ClientConfig = Readonly<z.output<typeof clientConfigSchema>>;
export type ClientConfigInput = z.input<typeof clientConfigSchema>;
