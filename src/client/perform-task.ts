import { asFedrotError, type FedrotError } from '../errors.js';
import { failureReport } from './failure-report.js';
import { journalled, outgoing } from './link/journalled.js';
import { performEvaluation } from './perform-evaluation.js';
import { performTraining } from './perform-training.js';
import { ProgressReporter } from './progress-reporter.js';
import type { Abandonment, Task } from './task-board.js';
import { TaskTrace } from './task-trace.js';
import type { Workshop } from './workshop.js';

/**
 * Does one task to its end. Never throws: a failure is logged in full here, and the coordinator learns its code and a message
 * without data. `reportSignal` ends the attempts to tell it.
 */
export async function performTask(
  task: Task,
  workshop: Workshop,
  asked: AbortSignal,
  reportSignal: AbortSignal,
): Promise<void> {
  const { connection, clock, limits, metrics } = workshop;
  const watch = limits.watch();
  const signal = AbortSignal.any([asked, watch.signal]);
  const about =
    task.kind === 'train'
      ? { task: task.taskId, run: task.train.runId, round: task.train.round, version: undefined }
      : {
          task: task.taskId,
          run: task.evaluate.runId,
          round: undefined,
          version: task.evaluate.adapter?.version,
        };
  const logger = workshop.logger.child(about);
  const here = { ...workshop, logger };
  const place = { run: about.run, round: about.round ?? about.version ?? 0 };
  const attributes = { 'fedrot.run': place.run, 'fedrot.round': place.round, 'fedrot.silo': connection.silo };
  const span = new TaskTrace(workshop.tracing, clock, task.traceparent, attributes);
  connection.traceparent = span.context;
  const progress = new ProgressReporter(connection, task.taskId, clock, {
    enter: (phase) => {
      metrics.enter(phase);
      span.enter(phase);
    },
  });
  logger.info(task.kind === 'train' ? 'task: train' : 'task: evaluate');
  try {
    limits.requireHours();
    if (task.kind === 'train') await performTraining(task.taskId, task.train, here, progress, signal);
    else await performEvaluation(task.taskId, task.evaluate, here, progress, signal);
    metrics.ended(task.kind, 'done');
    span.end(task.kind);
  } catch (thrown) {
    const error = asFedrotError(thrown);
    span.end(task.kind, error.code);
    const abandoned = signal.aborted ? (signal.reason as Abandonment) : undefined;
    metrics.ended(task.kind, abandoned !== undefined || isClosed(error) ? 'abandoned' : 'failed');
    if (abandoned !== undefined) logger.info({ reason: abandoned.reason }, 'the task was abandoned');
    else if (isClosed(error))
      logger.warn({ code: error.code, reason: error.message }, 'the task came too late');
    else logger.error({ err: error, details: error.details }, 'the task failed');
    if (abandoned?.tell === false || isClosed(error)) return;
    const report =
      abandoned === undefined
        ? failureReport(error)
        : ({ code: 'cancelled', message: abandoned.reason } as const);
    await tell(here, task.taskId, place, report, reportSignal).catch((failed: unknown) => {
      logger.warn({ err: failed }, 'the coordinator could not be told');
    });
  } finally {
    connection.traceparent = undefined;
    watch.stop();
    await progress.writeDown(workshop.journal, place).catch((failed: unknown) => {
      logger.error({ err: failed }, 'the progress reports could not be written to the journal');
    });
  }
}

/** The coordinator itself said that it no longer wants the task. */
function isClosed(error: FedrotError): boolean {
  return ['round_closed', 'run_closed', 'run_unknown', 'not_assigned'].includes(error.code);
}

async function tell(
  { connection, journal }: Workshop,
  taskId: string,
  place: { readonly run: string; readonly round: number },
  report: { readonly code: string; readonly message: string },
  signal: AbortSignal,
): Promise<void> {
  const what = outgoing('failure', connection.address, place, [{ taskId, ...report }]);
  await connection.repeat('report a failure', signal, () =>
    journalled(journal, what, () =>
      connection.calls.reportFailure({ silo: connection.silo, taskId, ...report }, { signal }),
    ),
  );
}
