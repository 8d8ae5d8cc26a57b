import { rm } from 'node:fs/promises';
import type { Clock } from '../../clock.js';
import { asFedrotError, FedrotError } from '../../errors.js';
import type { Logger } from '../../log.js';
import type { AggregationJob, AggregationOutcome } from '../aggregation/aggregation-job.js';
import type { Aggregate } from '../aggregation/aggregation-workers.js';
import type { CoordinatorMetrics } from '../metrics.js';
import { AGGREGATION_RETRY_MS } from '../round/retry.js';
import type { RoundEvidence } from '../evidence/round-evidence.js';
import type { Rollback } from '../round/state.js';
import { baseOf } from '../round/staleness.js';
import { doneTasks } from '../round/tasks.js';
import { hashFile } from '../spool/hash-file.js';
import type { TensorSpool } from '../spool/tensor-spool.js';
import { publishedAdapter } from './assignments.js';
import { roundJob } from './round-job.js';
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
      const { sha256, bytes, merge, state, norm } = outcome;
      const sealed = await this.#options.evidence?.seal(run, round, outcome);
      await run.send(
        { type: 'aggregated', round },
        {
          published: {
            round,
            startedMs: run.state.startedMs,
            publishedMs: sealed?.publishedMs ?? clock.now(),
            diagnosis: rollback === null ? 'pending' : 'none',
            diagnosticsJson: '',
            ...(rollback !== null && { rollback }),
            adapter: { sha256, bytes },
            ...(merge && { merge }),
            ...(state && { state }),
          },
        },
      );
      if (norm !== undefined) metrics.adapterNorm.set({ run: run.runId }, norm);
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
    const updates = await Promise.all(
      job.updates.map(async (update) => ({ ...update, untouched: await spool.untouched(update.sha256) })),
    );
    const outcome = await aggregate({ ...job, updates }, this.#stop.signal);
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

/** What is published; without its norm where nothing was combined. */
type Outcome = Pick<AggregationOutcome, 'sha256' | 'bytes' | 'merge' | 'state'> &
  Partial<Pick<AggregationOutcome, 'norm'>>;

/** The round that closed, with where its result goes. */
function jobOf(run: RunActor, round: number, spool: TensorSpool): AggregationJob {
  const { serverOptimizer } = run.spec.aggregation;
  const state = run.adapters.get(round - 1)?.state;
  const counted = doneTasks(run.state).flatMap((task) => {
    const { silo, update } = task;
    if (update === undefined) return [];
    const { sha256, examples } = update;
    return [{ silo, sha256, examples, baseVersion: baseOf(run.state, task) }];
  });
  return {
    ...roundJob(run, round, counted, spool),
    serverOptimizer,
    ...(state && { state: { path: spool.pathOf(state.sha256), sha256: state.sha256 } }),
    outputPath: spool.tempPath(),
    mergeOutputPath: spool.tempPath(),
    stateOutputPath: spool.tempPath(),
  };
}
