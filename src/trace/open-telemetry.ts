import { ROOT_CONTEXT, SpanStatusCode, TraceFlags, trace } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import type { TracingOptions } from './open-tracing.js';
import { parseContext, type SpanIds, type Tracing } from './tracing.js';

/** The collector may be away: closing does not wait for it longer; ms. */
const FLUSH_MS = 3000;

/** Sends spans by OTLP/HTTP in JSON. The one file that knows OpenTelemetry. */
export function openTelemetry(options: TracingOptions & { readonly endpoint: string }): Tracing {
  const { endpoint, service, version, instance } = options;
  let next: SpanIds = { traceId: '', spanId: '' };
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({
      'service.name': service,
      'service.version': version,
      'service.instance.id': instance,
    }),
    spanProcessors: [
      new BatchSpanProcessor(new OTLPTraceExporter({ url: endpoint, timeoutMillis: FLUSH_MS }), {
        scheduledDelayMillis: 1000,
      }),
    ],
    // Spans are told when they are over; who they are was decided when they began.
    idGenerator: { generateTraceId: () => next.traceId, generateSpanId: () => next.spanId },
  });
  const tracer = provider.getTracer('fedrot', version);
  return {
    enabled: true,
    record({ name, context, parent, startMs, endMs, attributes, error }) {
      const ids = parseContext(context);
      if (ids === undefined) return;
      next = ids;
      const above = parseContext(parent);
      const within =
        above === undefined
          ? ROOT_CONTEXT
          : trace.setSpanContext(ROOT_CONTEXT, { ...above, traceFlags: TraceFlags.SAMPLED, isRemote: true });
      const span = tracer.startSpan(name, { startTime: startMs, attributes: { ...attributes } }, within);
      if (error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: error });
      span.end(endMs);
    },
    async close() {
      await provider.shutdown().catch(() => undefined);
    },
  };
}
