import { MetricSet, type MetricDescription } from '../metrics/metric-set.js';

/** Seconds: from a quick test round to days. */
const PHASE_BUCKETS = [0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 24 * 3600];

/**
 * Every metric of the coordinator. Label sets are bounded: codes, states, methods, and the operator's own runs; never silos.
 */
export class CoordinatorMetrics {
  readonly #set = new MetricSet();

  readonly info = this.#set.gauge('fedrot_build_info', 'Always 1; says which software runs.', ['version']);
  readonly rounds = this.#set.counter('fedrot_rounds_total', 'Rounds published.', ['run']);
  readonly roundDuration = this.#set.histogram(
    'fedrot_round_duration_seconds',
    'From the first assignment of a round to its publication.',
    PHASE_BUCKETS,
    ['run'],
  );
  readonly phase = this.#set.histogram(
    'fedrot_phase_duration_seconds',
    'How long a run stayed in a phase.',
    PHASE_BUCKETS,
    ['run', 'phase'],
  );
  readonly currentRound = this.#set.gauge('fedrot_run_round', 'Round that a run is in; 0 before the first.', [
    'run',
  ]);
  readonly plannedRounds = this.#set.gauge(
    'fedrot_run_planned_rounds',
    'Rounds that an open run will have.',
    ['run'],
  );
  readonly runPhase = this.#set.gauge('fedrot_run_phase', '1 for the phase that an open run is in.', [
    'run',
    'phase',
  ]);
  readonly lastProgress = this.#set.gauge(
    'fedrot_run_last_progress_timestamp_seconds',
    'When an open run last took an update, an evaluation or a version; Unix time.',
    ['run'],
  );
  readonly minSilos = this.#set.gauge('fedrot_run_min_silos', 'Trainers that a round of an open run needs.', [
    'run',
  ]);
  readonly tasks = this.#set.gauge(
    'fedrot_run_tasks',
    'Training tasks of the current round of an open run, by state; `assigned` is the queue.',
    ['run', 'state'],
  );
  readonly runs = this.#set.gauge('fedrot_runs', 'Runs by phase, or by outcome once they are over.', [
    'state',
  ]);
  readonly updates = this.#set.counter(
    'fedrot_updates_total',
    'Uploads of updates by outcome: accepted, duplicate, or the code of the error.',
    ['outcome'],
  );
  readonly staleness = this.#set.histogram(
    'fedrot_update_staleness_versions',
    'How many versions old the updates of a run were when they counted: 0 where they began from the newest.',
    [0, 1, 2, 4, 8, 16],
    ['run'],
  );
  readonly uploads = this.#set.gauge('fedrot_uploads_in_progress', 'Uploads of updates under way.');
  readonly taskFailures = this.#set.counter(
    'fedrot_task_failures_total',
    'Tasks that failed on a silo or were not answered in time, by code.',
    ['code'],
  );
  readonly aggregationFailures = this.#set.counter(
    'fedrot_aggregation_failures_total',
    'Rounds that could not be aggregated, by code; they are tried again.',
    ['code'],
  );
  readonly aggregations = this.#set.gauge(
    'fedrot_aggregations_in_progress',
    'Rounds that are being aggregated.',
  );
  readonly diagnosesPending = this.#set.gauge(
    'fedrot_diagnoses_pending',
    'Published rounds whose error and angles are still to be computed.',
  );
  readonly diagnosisFailures = this.#set.counter(
    'fedrot_diagnosis_failures_total',
    'Diagnoses of published rounds that failed, by code; tried three times, unless an update is gone or damaged.',
    ['code'],
  );
  readonly bytesReceived = this.#set.counter(
    'fedrot_received_bytes_total',
    'Payload bytes received, by kind.',
    ['kind'],
  );
  readonly bytesSent = this.#set.counter('fedrot_sent_bytes_total', 'Payload bytes sent, by kind.', ['kind']);
  readonly calls = this.#set.counter('fedrot_grpc_calls_total', 'gRPC calls by outcome.', [
    'service',
    'method',
    'code',
  ]);
  readonly silos = this.#set.gauge('fedrot_silos', 'Silos by role and connection.', ['role', 'state']);
  readonly diskFree = this.#set.gauge(
    'fedrot_disk_free_bytes',
    'Free on the disk of the data folder, for the process.',
  );
  readonly diskSize = this.#set.gauge('fedrot_disk_size_bytes', 'Size of the disk of the data folder.');
  readonly storage = this.#set.gauge(
    'fedrot_storage_bytes',
    'What the data folder holds, by kind: tensors (adapters and updates), bundles, other (database, evidence, keys).',
    ['kind'],
  );
  readonly aggregationError = this.#set.gauge(
    'fedrot_aggregation_error_ratio',
    'Distance of the newest adapter from the exact mean of the updates, relative to that mean, by method; fedit is plain averaging of the same updates.',
    ['run', 'method'],
  );
  readonly misalignment = this.#set.gauge(
    'fedrot_misalignment_ratio',
    'How far the bases of the newest round’s updates were turned from the reference: 0 to 1, mean over modules and silos.',
    ['run'],
  );
  readonly adapterNorm = this.#set.gauge(
    'fedrot_adapter_norm',
    'Euclidean norm of all values of the newest version.',
    ['run'],
  );
  readonly accuracy = this.#set.gauge(
    'fedrot_evaluation_accuracy_ratio',
    'Accuracy of the newest scored version.',
    ['run'],
  );
  readonly loss = this.#set.gauge('fedrot_evaluation_loss_nats', 'Mean loss of the newest scored version.', [
    'run',
  ]);
  readonly worstAccuracy = this.#set.gauge(
    'fedrot_evaluation_worst_accuracy_ratio',
    'Lowest accuracy among the silos and evaluators that scored the newest scored version.',
    ['run'],
  );
  readonly accuracySpread = this.#set.gauge(
    'fedrot_evaluation_accuracy_spread_ratio',
    'Highest minus lowest accuracy among them.',
    ['run'],
  );
  readonly bestVersion = this.#set.gauge('fedrot_run_best_version', 'Version with the best score so far.', [
    'run',
  ]);
  readonly aggregationBound = this.#set.gauge(
    'fedrot_aggregation_error_bound_ratio',
    "The least aggregation error that the run's rank allowed in the newest round (Eckart–Young).",
    ['run'],
  );
  readonly webhooks = this.#set.counter(
    'fedrot_webhooks_total',
    'Webhooks by event and outcome: sent or given-up.',
    ['event', 'outcome'],
  );

  constructor() {
    this.#set.collectProcess();
  }

  get contentType(): string {
    return this.#set.contentType;
  }

  /** `before` sets what is only worth knowing when someone asks. */
  async render(before: () => void | Promise<void> = () => undefined): Promise<string> {
    await before();
    return this.#set.render();
  }

  /** For docs/metrics.md. */
  describe(): readonly MetricDescription[] {
    return this.#set.describe();
  }
}
