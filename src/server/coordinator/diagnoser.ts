import type { Clock } from '../../clock.js';
import { asFedrotError } from '../../errors.js';
import type { Logger } from '../../log.js';
import type { RoundDiagnostics } from '../../align/types.js';
import type { Diagnose } from '../aggregation/aggregation-workers.js';
import type { CoordinatorMetrics } from '../metrics.js';
import type { LogLine } from '../round/narrate.js';
import type { TensorSpool } from '../spool/tensor-spool.js';
import type { Store } from '../store/store.js';
import { roundJob } from './round-job.js';
import type { Diagnosed, RunActor } from './run-actor.js';

export interface DiagnoserOptions {
  readonly store: Store;
  readonly spool: TensorSpool;
  readonly diagnose: Diagnose;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: CoordinatorMetrics;
  /** A stored file that is not what it was. */
  readonly onCorrupt?: ((message: string) => void) | undefined;
}

/** So often a diagnosis is tried, and so long is waited in between, ms. */
const ATTEMPTS = 3;
const RETRY_MS = 5000;

/** What will be no better the next time. */
const FINAL = new Set(['storage_corrupt', 'option_invalid', 'precondition_failed', 'tensor_not_finite']);

/**
 * Measures published rounds: after silos have their new version, one at a time, the runs in turn and each run's rounds in order. What
 * waits is known by the store (a round that is published and not diagnosed), so that nothing is lost with the process, and held here as
 * the numbers of rounds. A diagnosis that fails is said, and fails nothing else.
 */
export class Diagnoser {
  readonly #options: DiagnoserOptions;
  readonly #stop = new AbortController();
  /** Runs that have undiagnosed rounds, in the order in which they are served. */
  readonly #runs = new Set<RunActor>();
  /** Of the round that each run is at. */
  readonly #attempts = new Map<RunActor, number>();
  #working: Promise<void> | undefined;

  constructor(options: DiagnoserOptions) {
    this.#options = options;
  }

  /** The run has undiagnosed rounds. */
  look(run: RunActor): void {
    if (run.undiagnosed.size === 0 || this.#stop.signal.aborted) return;
    this.#runs.add(run);
    this.#working ??= this.#work();
  }

  /** Calls off what is being measured: the next start does it again. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#working;
  }

  async #work(): Promise<void> {
    await Promise.resolve();
    // A run that is put back comes behind the others.
    for (const run of this.#runs) {
      if (this.#stop.signal.aborted) break;
      this.#runs.delete(run);
      const [round] = run.undiagnosed;
      if (round !== undefined) await this.#diagnose(run, round);
    }
    // In the same turn as the look at the queue: a run that is added between the two would wait for ever.
    this.#working = undefined;
  }

  async #diagnose(run: RunActor, round: number): Promise<void> {
    const { logger, metrics, clock } = this.#options;
    try {
      const diagnosed = await this.#measured(run, round);
      await run.diagnosed(diagnosed);
      this.#attempts.delete(run);
      if (diagnosed.diagnostics !== undefined) measure(metrics, run, diagnosed.diagnostics);
      this.look(run);
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      logger.warn({ err: error, run: run.runId, round }, 'a round could not be diagnosed; trying again');
      clock.after(RETRY_MS, () => {
        this.look(run);
      });
    }
  }

  /** Throws where it is worth while to try again. */
  async #measured(
    run: RunActor,
    round: number,
  ): Promise<Diagnosed & { readonly diagnostics?: RoundDiagnostics }> {
    const { store, spool, logger, metrics, diagnose, onCorrupt } = this.#options;
    try {
      const updates = (await store.round(run.runId, round))?.updates ?? [];
      const diagnostics = await diagnose(roundJob(run, round, updates, spool), this.#stop.signal);
      return { round, diagnosis: 'done', diagnosticsJson: JSON.stringify(diagnostics), diagnostics };
    } catch (thrown) {
      if (this.#stop.signal.aborted) throw thrown;
      const { code, message } = asFedrotError(thrown);
      const attempt = (this.#attempts.get(run) ?? 0) + 1;
      this.#attempts.set(run, attempt);
      metrics.diagnosisFailures.inc({ code });
      if (attempt < ATTEMPTS && !FINAL.has(code)) throw thrown;
      logger.error({ err: thrown, run: run.runId, round }, 'a round cannot be diagnosed');
      if (code === 'storage_corrupt') onCorrupt?.(`run ${run.runId} round ${round}: ${message}`);
      const line: LogLine = {
        kind: 'round.diagnosis-failed',
        round,
        code,
        message: `round ${round} is published, but its error and angles will not be known: ${message}`,
      };
      return { round, diagnosis: 'failed', diagnosticsJson: '', line };
    }
  }
}

function measure(
  metrics: CoordinatorMetrics,
  { runId: run, spec }: RunActor,
  { aggregationError, aggregationErrorFedit, aggregationErrorBound, misalignment }: RoundDiagnostics,
): void {
  metrics.misalignment.set({ run }, misalignment);
  if (aggregationErrorFedit !== null)
    metrics.aggregationError.set({ run, method: 'fedit' }, aggregationErrorFedit);
  if (aggregationErrorBound !== null) metrics.aggregationBound.set({ run }, aggregationErrorBound);
  if (aggregationError !== null)
    metrics.aggregationError.set({ run, method: spec.aggregation.method }, aggregationError);
}
