import { z } from 'zod';

/** The part of a daemon's configuration that says where traces go. */
export const tracingSchema = z
  .strictObject({
    endpoint: z
      .url({ protocol: /^https?$/ })
      .optional()
      .describe(
        'OTLP/HTTP receiver of traces, e.g. http://collector:4318/v1/traces; nothing is traced by default',
      ),
  })
  .prefault({})
  .describe('OpenTelemetry traces of rounds (docs/tracing.md)');
