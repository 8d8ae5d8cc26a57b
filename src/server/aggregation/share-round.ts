import type {
  AggregationJob,
  AggregationOutcome,
  AggregationTask,
  OutputFile,
  PartSquares,
} from './aggregation-job.js';
import type { WarmWorker } from './warm-worker.js';

/** Does an aggregation in a thread, or in two. */
type ShareRound = (
  job: AggregationJob,
  signal: AbortSignal,
  worker: WarmWorker,
  other: WarmWorker | undefined,
) => Promise<AggregationOutcome>;

/** Both combine, one part after the other; `other` first verifies that the files are what was accepted. */
export const combineParts: ShareRound = async (job, signal, worker, other) => {
  const next = new SharedArrayBuffer(4);
  const run = <T>(by: WarmWorker, task: AggregationTask): Promise<T> => by.run<T>(task, signal);
  const combined = (by: WarmWorker, verify: boolean): Promise<PartSquares> =>
    run(by, { job, what: 'parts', verify, next });
  const squares = await together(
    other ? [combined(other, true), combined(worker, false)] : [combined(worker, true)],
  );
  const synced = run<undefined>(other ?? worker, { job, what: 'sync' });
  if (!other) await synced;
  const [, file] = await together([synced, run<OutputFile>(worker, { job, what: 'name' })]);
  return { ...file, norm: normOf(squares.flat()) };
};

/** One combines, and the other verifies meanwhile. */
export const combineWhole: ShareRound = async (job, signal, worker, other) => {
  const combined = worker.run<AggregationOutcome>({ job, what: 'whole', verify: !other }, signal);
  if (!other) return combined;
  const verified = other.run<undefined>({ job, what: 'verify' }, signal);
  return (await together([verified, combined]))[1];
};

/** Waits for all, and throws what the first of them threw: what is damaged may be the reason why others failed. */
async function together<const T extends readonly Promise<unknown>[]>(
  all: T,
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  const settled = await Promise.allSettled(all);
  for (const one of settled) if (one.status === 'rejected') throw one.reason;
  return Promise.all(all);
}

/** Euclidean norm of all parts together, whoever combined which. */
function normOf(squares: PartSquares): number {
  const ordered = [...squares].sort(([a], [b]) => a - b);
  return Math.sqrt(ordered.reduce((sum, [, square]) => sum + square, 0));
}
