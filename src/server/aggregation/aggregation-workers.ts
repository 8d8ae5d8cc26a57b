import { availableParallelism } from 'node:os';
import { hasParts } from '../../align/parts.js';
import type { RoundDiagnostics } from '../../align/types.js';
import { workerUrl } from '../../worker-url.js';
import type { AggregationJob, AggregationOutcome, RoundJob } from './aggregation-job.js';
import { combineParts, combineWhole } from './share-round.js';
import { RightOfWay } from './right-of-way.js';
import { WarmWorker } from './warm-worker.js';

/** Does an aggregation: how it is done off the event loop is a parameter of the coordinator, so that tests can stand in its way. */
export type Aggregate = (job: AggregationJob, signal: AbortSignal) => Promise<AggregationOutcome>;
/** Measures a published round. */
export type Diagnose = (job: RoundJob, signal: AbortSignal) => Promise<RoundDiagnostics>;

/**
 * The threads that aggregations and diagnoses are done in. Aggregations of several runs go side by side, as many as half the
 * processors, two at least; more wait their turn. Diagnoses have one thread of their own, which gives way to aggregations.
 */
export class AggregationWorkers {
  readonly #all: readonly WarmWorker[];
  /** Of those that aggregate; the one that was at work last is the last. */
  readonly #free: WarmWorker[];
  readonly #waiting: ((worker: WarmWorker) => void)[] = [];
  readonly #diagnoser: WarmWorker;
  readonly #rightOfWay = new RightOfWay();
  readonly #most: number;

  constructor({
    idleMs,
    most = Math.max(2, availableParallelism() >> 1),
  }: { readonly idleMs?: number; readonly most?: number } = {}) {
    const start = (file: string, workerData?: unknown): WarmWorker =>
      new WarmWorker({
        url: workerUrl(import.meta.url, file),
        workerData,
        ...(idleMs !== undefined && { idleMs }),
      });
    this.#most = most;
    this.#free = Array.from({ length: most }, () => start('./aggregate-worker.js'));
    this.#diagnoser = start('./diagnose-worker.js', this.#rightOfWay.memory);
    this.#all = [...this.#free, this.#diagnoser];
  }

  /** Off the event loop. Throws what performAggregation throws; cancelled on abort; internal where a thread dies. */
  readonly aggregate: Aggregate = async (job, signal) => {
    this.#rightOfWay.take();
    const worker =
      this.#free.pop() ?? (await new Promise<WarmWorker>((resolve) => this.#waiting.push(resolve)));
    // Two threads share a round where another is free.
    const other = job.updates.length > 1 ? this.#free.pop() : undefined;
    try {
      const shared = hasParts(job) ? combineParts : combineWhole;
      return await shared(job, signal, worker, other);
    } finally {
      this.#rightOfWay.leave();
      for (const free of other === undefined ? [worker] : [other, worker]) this.#release(free);
    }
  };

  /** The same of performDiagnosis; one at a time. */
  readonly diagnose: Diagnose = (job, signal) => this.#diagnoser.run<RoundDiagnostics>(job, signal);

  /** An aggregation is to be expected: a thread gets ready for it. */
  warm(): void {
    if (this.#free.length === this.#most) for (const worker of this.#free.slice(-2)) worker.warm();
  }

  #release(worker: WarmWorker): void {
    const next = this.#waiting.shift();
    if (next) next(worker);
    else this.#free.push(worker);
  }

  close(): void {
    for (const worker of this.#all) worker.end();
  }
}
