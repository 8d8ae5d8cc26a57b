import { type Tracing, NO_TRACING } from './tracing.js';

export interface TracingOptions {
  /** URL of an OTLP/HTTP receiver of traces; nothing is loaded or sent without. */
  readonly endpoint?: string | undefined;
  /** E.g. fedrot-coordinator. */
  readonly service: string;
  readonly version: string;
  /** E.g. the silo's name. */
  readonly instance: string;
}

/** OpenTelemetry is loaded only where traces are asked for. */
export async function openTracing(options: TracingOptions): Promise<Tracing> {
  const { endpoint } = options;
  if (endpoint === undefined) return NO_TRACING;
  const { openTelemetry } = await import('./open-telemetry.js');
  return openTelemetry({ ...options, endpoint });
}
