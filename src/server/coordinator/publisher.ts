import { rm } from 'node:fs/promises';
import type { Clock } from '../../clock.js';
import { asFedrotError, FedrotError } from '../../errors.js';
import type { Logger } from '../../log.js';
import type { RoundDiagnostics } from '../../align/types.js';
import type { AggregationJob, AggregationOutcome, JobUpdate } from '../aggregation/aggregation-job.js';
import type { Aggregate } from '../aggregation/run-aggregation.js';
import type { CoordinatorMetrics } from '../metrics.js';
import { AGGREGATION_RETRY_MS } from '../round/retry.js';
import type { RoundEvidence } from '../evidence/round-evidence.js';
import type { Rollback, TaskState } from '../round/state.js';
import { baseOf, stalenessOf, stalenessScale } from '../round/staleness.js';
import { doneTasks } from '../round/tasks.js';
import { hashFile } from '../spool/hash-file.js';
import type { TensorSpool } from '../spool/tensor-spool.js';
import { publishedAdapter } from './assignments.js';
import type { RunActor } from './run-actor.js';

export interface PublisherOptions {
  readonly spool: TensorSpool;
  readonly aggregate: Aggregate;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: CoordinatorMetrics;
  /** Default: no manifests are written. */
  readonly evidence?: RoundEvidence | undefined;
  /** A stored file that is not what it was. */
  readonly onCorrupt?: ((message: string) => void) | undefined;
}

/**
 * Aggregates a closed round and publishes the result: first the file, durable under its hash, then one transaction with
 * version, round and state. Done again after a kill, it gives the same bytes.
 */
export class Publisher {
  readonly #options: PublisherOptions;
  readonly #stop = new AbortController();
  readonly #working = new Set<Promise<void>>();

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  publish(run: RunActor, round: number): void {
    this.#options.metrics.aggregations.inc();
    const work = this.#publish(run, round).finally(() => {
      this.#options.metrics.aggregations.dec();
      this.#working.delete(work);
    });
    this.#working.add(work);
  }

  /** Resolves when nothing is being aggregated. */
  async idle(): Promise<void> {
    await Promise.all(this.#working);
  }

  /** Calls off what is being aggregated: the next start does it again. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.idle();
  }

  async #publish(run: RunActor, round: number): Promise<void> {
    const { spool, clock, logger, metrics } = this.#options;
    const job = jobOf(run, round, spool);
    const { rollback } = run.state;
    try {
      const outcome = rollback === null ? await this.#compute(job) : await this.#again(run, rollback);
      const { sha256, bytes, diagnostics, merge, state } = outcome;
      const sealed = await this.#options.evidence?.seal(run, round, outcome);
      await run.send(
        { type: 'aggregated', round },
        {
          published: {
            round,
            startedMs: run.state.startedMs,
            publishedMs: sealed?.publishedMs ?? clock.now(),
            diagnosticsJson: diagnostics === undefined ? '' : JSON.stringify(diagnostics),
            ...(rollback !== null && { rollback }),
            adapter: { sha256, bytes },
            ...(merge && { merge }),
            ...(state && { state }),
          },
        },
      );
      this.#measure(metrics, run, outcome);
      logger.info({ run: run.runId, round, sha256, bytes }, 'published an adapter');
    } catch (thrown) {
      for (const path of [job.outputPath, job.mergeOutputPath, job.stateOutputPath])
        await rm(path, { force: true }).catch(() => undefined);
      if (!this.#stop.signal.aborted) await this.#failed(run, round, thrown);
    }
  }

  /** The updates of a closed round, combined; the files lie under their hashes when it resolves. */
  async #compute(job: AggregationJob): Promise<Outcome> {
    const { spool, aggregate } = this.#options;
    const outcome = await aggregate(job, this.#stop.signal);
    const { sha256, merge, state } = outcome;
    await spool.adopt(job.outputPath, sha256);
    if (merge) await spool.adopt(job.mergeOutputPath, merge.sha256);
    if (state) await spool.adopt(job.stateOutputPath, state.sha256);
    return outcome;
  }

  /** An old version's file, which is still what it was. Throws storage_corrupt. */
  async #again(run: RunActor, { version }: Rollback): Promise<Outcome> {
    const { sha256, bytes, state } = publishedAdapter(run, version);
    if ((await hashFile(this.#options.spool.pathOf(sha256))) !== sha256)
      throw new FedrotError(
        'storage_corrupt',
        `the file of version ${version} is missing or was changed on the disk`,
      );
    return { sha256, bytes, ...(state && { state }) };
  }

  #measure(metrics: CoordinatorMetrics, run: RunActor, { diagnostics, norm }: Outcome): void {
    if (diagnostics === undefined) return;
    const { aggregationError, aggregationErrorFedit, aggregationErrorBound, misalignment } = diagnostics;
    const { runId } = run;
    metrics.misalignment.set({ run: runId }, misalignment);
    if (norm !== undefined) metrics.adapterNorm.set({ run: runId }, norm);
    if (aggregationErrorFedit !== null)
      metrics.aggregationError.set({ run: runId, method: 'fedit' }, aggregationErrorFedit);
    if (aggregationErrorBound !== null) metrics.aggregationBound.set({ run: runId }, aggregationErrorBound);
    if (aggregationError !== null)
      metrics.aggregationError.set({ run: runId, method: run.spec.aggregation.method }, aggregationError);
  }

  async #failed(run: RunActor, round: number, thrown: unknown): Promise<void> {
    const { clock, logger, metrics } = this.#options;
    const { code, message } = asFedrotError(thrown);
    metrics.aggregationFailures.inc({ code });
    logger.error({ err: thrown, run: run.runId, round }, 'a round could not be aggregated');
    if (code === 'storage_corrupt') this.#options.onCorrupt?.(`run ${run.runId} round ${round}: ${message}`);
    try {
      await run.send({ type: 'aggregation-failed', round, code, message });
    } catch (error) {
      logger.error({ err: error, run: run.runId, round }, 'that could not be stored either; trying again');
      clock.after(AGGREGATION_RETRY_MS, () => {
        if (!this.#stop.signal.aborted) this.publish(run, round);
      });
    }
  }
}

/** What is published; without diagnostics where nothing was combined. */
type Outcome = Pick<AggregationOutcome, 'sha256' | 'bytes' | 'merge' | 'state'> & {
  readonly diagnostics?: RoundDiagnostics;
  /** AggregationOutcome.norm. */
  readonly norm?: number;
};

/** The version that an update began from, where it is not the newest. */
function staleOf(run: RunActor, task: TaskState, spool: TensorSpool): Pick<JobUpdate, 'stale'> {
  const staleness = stalenessOf(run.state, task);
  if (staleness === 0) return {};
  const { sha256 } = publishedAdapter(run, baseOf(run.state, task));
  const scale = stalenessScale(run.spec.rounds.staleness, staleness);
  return { stale: { path: spool.pathOf(sha256), sha256, scale } };
}

/** Updates in order of the silos' names: the result must not depend on who was first. */
function jobOf(run: RunActor, round: number, spool: TensorSpool): AggregationJob {
  const { method, options, weighting, serverOptimizer, robust } = run.spec.aggregation;
  const previous = run.adapters.get(round - 1);
  const state = previous?.state;
  return {
    method,
    options,
    serverOptimizer,
    robust,
    round,
    seed: run.spec.seed,
    previousPath: spool.pathOf(previous?.sha256 ?? ''),
    ...(state && { state: { path: spool.pathOf(state.sha256), sha256: state.sha256 } }),
    updates: doneTasks(run.state).flatMap((task) =>
      task.update === undefined
        ? []
        : [
            {
              silo: task.silo,
              weight: weighting === 'uniform' ? 1 : task.update.examples,
              path: spool.pathOf(task.update.sha256),
              sha256: task.update.sha256,
              ...staleOf(run, task, spool),
            },
          ],
    ),
    outputPath: spool.tempPath(),
    mergeOutputPath: spool.tempPath(),
    stateOutputPath: spool.tempPath(),
  };
}
