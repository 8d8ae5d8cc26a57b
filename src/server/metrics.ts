import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

/** Seconds: from a quick test round to days. */
const PHASE_BUCKETS = [0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 24 * 3600];

/**
 * Every metric of the coordinator; the only file that knows prom-client. Base units, counters end in _total, label sets are
 * bounded: codes, states, methods, and the operator's own runs; never silos.
 */
export class CoordinatorMetrics {
  readonly #registry = new Registry();

  readonly rounds = this.#counter('fedrot_rounds_total', 'Rounds published.', ['run']);
  readonly phase = new Histogram({
    name: 'fedrot_phase_duration_seconds',
    help: 'How long a run stayed in a phase.',
    labelNames: ['run', 'phase'] as const,
    buckets: PHASE_BUCKETS,
    registers: [this.#registry],
  });
  readonly currentRound = this.#gauge('fedrot_run_round', 'Round that a run is in; 0 before the first.', [
    'run',
  ]);
  readonly runs = this.#gauge('fedrot_runs', 'Runs by state.', ['state']);
  readonly updates = this.#counter(
    'fedrot_updates_total',
    'Uploads of updates by outcome: accepted, duplicate, or the code of the error.',
    ['outcome'],
  );
  readonly taskFailures = this.#counter(
    'fedrot_task_failures_total',
    'Tasks that failed on a silo or were not answered in time, by code.',
    ['code'],
  );
  readonly bytesReceived = this.#counter('fedrot_received_bytes_total', 'Payload bytes received, by kind.', [
    'kind',
  ]);
  readonly bytesSent = this.#counter('fedrot_sent_bytes_total', 'Payload bytes sent, by kind.', ['kind']);
  readonly calls = this.#counter('fedrot_grpc_calls_total', 'gRPC calls by outcome.', [
    'service',
    'method',
    'code',
  ]);
  readonly silos = this.#gauge('fedrot_silos', 'Silos by role and connection.', ['role', 'state']);
  readonly aggregationError = this.#gauge(
    'fedrot_aggregation_error_ratio',
    'Distance of the newest adapter from the exact mean of the updates, relative to that mean, by method; fedit is plain averaging of the same updates.',
    ['run', 'method'],
  );
  readonly accuracy = this.#gauge(
    'fedrot_evaluation_accuracy_ratio',
    'Accuracy of the newest scored version.',
    ['run'],
  );
  readonly loss = this.#gauge('fedrot_evaluation_loss_nats', 'Mean loss of the newest scored version.', [
    'run',
  ]);

  constructor() {
    collectDefaultMetrics({ register: this.#registry });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** `before` sets what is only worth knowing when someone asks. */
  async render(before: () => void = () => undefined): Promise<string> {
    before();
    return this.#registry.metrics();
  }

  #counter<L extends string>(name: string, help: string, labelNames: readonly L[]): Counter<L> {
    return new Counter({ name, help, labelNames: [...labelNames], registers: [this.#registry] });
  }

  #gauge<L extends string>(name: string, help: string, labelNames: readonly L[]): Gauge<L> {
    return new Gauge({ name, help, labelNames: [...labelNames], registers: [this.#registry] });
  }
}
