import { createHash, randomBytes } from 'node:crypto';

/** One span, told when it is over. */
export interface SpanRecord {
  readonly name: string;
  /** Its own place in its trace; from `child` or `roundContext`. */
  readonly context: string;
  /** The span that it is part of; none for the first of a trace. */
  readonly parent?: string;
  /** Unix epoch. */
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Readonly<Record<string, string | number>>;
  /** Code of what went wrong, where something did. */
  readonly error?: string;
}

/** Where spans go. Contexts are W3C `traceparent` values (https://www.w3.org/TR/trace-context/): 00-<trace>-<span>-01. */
export interface Tracing {
  readonly enabled: boolean;
  record(span: SpanRecord): void;
  /** Sends what is left. */
  close(): Promise<void>;
}

export const NO_TRACING: Tracing = {
  enabled: false,
  record: () => undefined,
  close: () => Promise.resolve(),
};

const PATTERN = /^00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}$/;
const ZEROS = /^0+$/;

export interface SpanIds {
  readonly traceId: string;
  readonly spanId: string;
}

/** Undefined for anything that is no traceparent of version 00: what others send is not to be trusted. */
export function parseContext(text: string | undefined): SpanIds | undefined {
  const [, traceId = '', spanId = ''] = PATTERN.exec(text ?? '') ?? [];
  return traceId === '' || ZEROS.test(traceId) || ZEROS.test(spanId) ? undefined : { traceId, spanId };
}

/** A new span's context below another's; the other's own where it is none. */
export function child(parent: string): string {
  const ids = parseContext(parent);
  return ids === undefined ? parent : `00-${ids.traceId}-${randomBytes(8).toString('hex')}-01`;
}

/**
 * The first span of a round. The same after every restart of the coordinator: a round that a kill has interrupted stays one trace.
 */
export function roundContext(runId: string, createdMs: number, round: number): string {
  const hash = createHash('sha256')
    .update(JSON.stringify(['fedrot round', runId, createdMs, round]))
    .digest('hex');
  return `00-${hash.slice(0, 32)}-${hash.slice(32, 48)}-01`;
}
