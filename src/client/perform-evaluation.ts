import type { EvaluateTask } from '../rpc/gen/fedrot/v1/EvaluateTask.js';
import { withOwn } from './fit-task.js';
import { journalled, outgoing } from './link/journalled.js';
import { partOf, prepareTask } from './prepare-task.js';
import type { ProgressReporter } from './progress-reporter.js';
import { readSpec } from './read-task.js';
import type { Workshop } from './workshop.js';

/** Scores the adapter on the silo's test examples and submits what came of it. */
export async function performEvaluation(
  taskId: string,
  task: EvaluateTask,
  workshop: Workshop,
  progress: ProgressReporter,
  signal: AbortSignal,
): Promise<void> {
  const { connection, trainer, logger } = workshop;
  const data = partOf(workshop.data, 'test');
  const spec = readSpec(task);
  progress.report({ phase: 'fetching' });
  const prepared = await prepareTask(task, spec, workshop, signal);
  progress.report({ phase: 'preparing' });
  const { examples, loss, accuracy, metrics } = await trainer.evaluate({
    ...prepared,
    adapter: withOwn(prepared.adapter, await workshop.own.load(task.runId)),
    data,
    signal,
    onProgress: (step) => {
      workshop.metrics.step({ kind: 'evaluate', ...step });
      progress.report({ phase: 'evaluating', ...step });
    },
  });
  const version = task.adapter?.version ?? 0;
  const result = { runId: task.runId, version, examples, loss, accuracy, metrics };
  const place = { run: task.runId, round: version };
  const what = outgoing('evaluation', connection.address, place, [{ taskId, ...result }]);
  await connection.repeat(`submit the evaluation of ${task.runId} version ${version}`, signal, () =>
    journalled(workshop.journal, what, () =>
      connection.calls.submitEvaluation({ silo: connection.silo, taskId, ...result }, { signal }),
    ),
  );
  logger.info({ version, examples, loss, accuracy, ...metrics }, 'evaluated');
}
