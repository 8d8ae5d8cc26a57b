import { join } from 'node:path';
import { siloInstructionsSchema, type SiloInstructions } from '../align/instructions.js';
import type { Clock } from '../clock.js';
import { asFedrotError, FedrotError } from '../errors.js';
import type { Journal } from '../evidence/journal.js';
import type { Logger } from '../log.js';
import type { Bundle } from '../model/bundle.js';
import type { EvaluateTask } from '../rpc/gen/fedrot/v1/EvaluateTask.js';
import type { TrainTask } from '../rpc/gen/fedrot/v1/TrainTask.js';
import { loraScale, parseRunSpec, type RunSpec } from '../run-spec.js';
import type { NamedTensor } from '../tensor/tensor.js';
import type { Tracing } from '../trace/tracing.js';
import type { DataPart, DataSet } from './data/data-set.js';
import { failureReport } from './failure-report.js';
import { atRank, keptTensors, loraOfRank, ownRank, sharedTensors, withOwn } from './fit-task.js';
import type { Consents } from './accept/consents.js';
import type { AcceptRules } from './config.js';
import type { SiloMetrics } from './metrics.js';
import type { TrustedSigners } from './link/bundle-signature.js';
import type { Connection } from './link/connection.js';
import { fetchAdapter, fetchTensorFile, keepOnlyAdapter } from './link/fetch-adapter.js';
import { fetchBundle } from './link/fetch-bundle.js';
import { journalled, outgoing } from './link/journalled.js';
import { checkUpdateSize, submitUpdate } from './link/submit-update.js';
import type { MergedBases } from './merged-bases.js';
import type { OwnFactors } from './own-factors.js';
import { ownStart, readOwnAdapter } from './own-start.js';
import { ProgressReporter } from './progress-reporter.js';
import type { ResourceLimits } from './resource-limits.js';
import type { Spool, SpooledUpdate } from './spool.js';
import type { Abandonment, Task } from './task-board.js';
import type { Trainer } from './training/local-trainer.js';
import type { TrainingSpool } from './training-spool.js';
import { TaskTrace } from './task-trace.js';
import { scrambleBasis } from './training/scramble-basis.js';

/** What a silo works with. */
export interface Workshop {
  readonly connection: Connection;
  readonly data: DataSet;
  readonly trainer: Trainer;
  readonly spool: Spool;
  /** Training under way. */
  readonly training: TrainingSpool;
  readonly adapterFolder: string;
  readonly bundleFolder: string;
  readonly scrambleBasis: boolean;
  /** LoRA rank that the silo trains with where the run's is larger and the method allows it. */
  readonly rank?: number | undefined;
  /** Folder of an adapter of the silo's own. */
  readonly adapter?: string | undefined;
  /** Factors that stay with the silo. */
  readonly own: OwnFactors;
  /** Bases with what versions have merged. */
  readonly bases: MergedBases;
  /** Everything that leaves the silo. */
  readonly journal: Journal;
  readonly limits: ResourceLimits;
  /** What is done without asking, and what the administrator has agreed to beyond. */
  readonly accept: AcceptRules;
  readonly consents: Consents;
  /** Whose bundles are loaded; undefined where there is no authority to vouch for signers. */
  readonly signers?: TrustedSigners | undefined;
  readonly metrics: SiloMetrics;
  readonly tracing: Tracing;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What both kinds of tasks need before the work begins. */
interface Prepared {
  readonly bundle: Bundle;
  readonly spec: RunSpec;
  readonly adapter: readonly NamedTensor[];
}

function parseInstructions(json: string): SiloInstructions {
  if (json === '') return { train: 'both' };
  const parsed = siloInstructionsSchema.safeParse(parseJson(json, 'instructions'));
  if (parsed.success) return parsed.data;
  throw new FedrotError(
    'option_invalid',
    'the run asks for something that this version of the silo cannot do; update it',
    { cause: parsed.error },
  );
}

function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new FedrotError('option_invalid', `the task's ${what} are not JSON`, { cause });
  }
}

function required<T>(value: T | null | undefined, what: string): T {
  if (value === null || value === undefined)
    throw new FedrotError('option_invalid', `the coordinator sent a task without ${what}`);
  return value;
}

/** Names of bundles become names of folders: nothing else gets near the disk. */
function requireHash(bundle: string): string {
  if (/^[0-9a-f]{64}$/.test(bundle)) return bundle;
  throw new FedrotError('option_invalid', 'the coordinator names a bundle by something that is no SHA-256');
}

/** The same of runs. */
function requireRunName(runId: string): void {
  if (!/^[a-z0-9][a-z0-9._-]{0,62}$/.test(runId))
    throw new FedrotError('option_invalid', 'the coordinator names a run by something that is no name');
}

function partOf(data: DataSet, part: keyof DataSet, key: string): DataPart {
  const found = data[part];
  if (found !== undefined) return found;
  throw new FedrotError(
    'precondition_failed',
    `this silo has no examples for the task: data.${key} is not configured`,
  );
}

async function prepare(
  task: Pick<TrainTask | EvaluateTask, 'runId' | 'adapter' | 'bundleSha256' | 'merges'>,
  spec: RunSpec,
  workshop: Workshop,
  signal: AbortSignal,
): Promise<Prepared> {
  const { connection, bundleFolder, adapterFolder, limits, signers, accept, consents, clock } = workshop;
  const ref = required(task.adapter, 'an adapter');
  // The run that is agreed to is the run that the update goes to.
  if (ref.runId !== task.runId)
    throw new FedrotError('option_invalid', 'the coordinator sent a task with the adapter of another run');
  const bundleSha256 = requireHash(task.bundleSha256);
  requireRunName(ref.runId);
  await consents.require({ runId: ref.runId, bundle: bundleSha256, spec }, accept, clock.now());
  await limits.requireDisk(ref.bytes);
  const requireDisk = (bytes: number): Promise<void> => limits.requireDisk(bytes);
  const fetched = await fetchBundle(connection, bundleFolder, bundleSha256, signal, { signers, requireDisk });
  const bundle = await workshop.bases.base(fetched, {
    runId: ref.runId,
    scale: loraScale(spec.lora),
    merges: task.merges,
    fetch: (merge) => {
      const part = { ...merge, runId: ref.runId, part: 'ADAPTER_PART_MERGE' } as const;
      return fetchTensorFile(connection, adapterFolder, part, signal);
    },
  });
  const adapter = await fetchAdapter(connection, adapterFolder, ref, signal);
  await keepOnlyAdapter(adapterFolder, ref);
  return { bundle, spec, adapter };
}

async function trainedUpdate(
  task: TrainTask,
  workshop: Workshop,
  progress: ProgressReporter,
  signal: AbortSignal,
): Promise<SpooledUpdate> {
  const { trainer, spool, training, connection, logger } = workshop;
  const data = partOf(workshop.data, 'train', 'train');
  const spec = parseRunSpec(parseJson(task.specJson, 'settings'), 'the run');
  const instructions = parseInstructions(task.instructionsJson);
  progress.report({ phase: 'fetching' });
  const prepared = await prepare(task, spec, workshop, signal);
  const elements = prepared.adapter.reduce((sum, { data: values }) => sum + values.length, 0);
  checkUpdateSize(elements * (spec.wireDType === 'f32' ? 4 : 2), await connection.session());
  progress.report({ phase: 'preparing', totalSteps: spec.training.localSteps });
  const seed = [spec.seed, connection.silo, task.round];
  const rank = ownRank(workshop.rank, spec, instructions);
  const published = prepared.adapter;
  const kept = await workshop.own.load(task.runId, task.round);
  const ownBeginning = task.round === 1 && spec.training.start !== undefined;
  const own = ownBeginning ? await readOwnAdapter(workshop.adapter) : undefined;
  const start = ownBeginning ? ownStart(published, spec.lora, own, seed) : withOwn(published, kept);
  const input = {
    ...prepared,
    spec: { ...spec, lora: loraOfRank(spec.lora, rank) },
    adapter: atRank(start, rank, instructions),
    data,
    signal,
  };
  if (ownBeginning && spec.training.start === 'finished') {
    const { loss, examples } = await trainer.evaluate({ ...input, adapter: start, spec });
    const metrics = { loss, steps: 0, seconds: 0, tokens: 0 };
    const tensors = [...sharedTensors(input.adapter, published, instructions)];
    return spool.put(task, { tensors, examples, metrics }, spec.wireDType);
  }
  const result = await trainer.train({
    ...input,
    instructions,
    round: task.round,
    seed,
    checkpoints: training.of(task, data, logger),
    onProgress: (step) => {
      workshop.metrics.step({ kind: 'train', ...step });
      progress.report({ phase: 'training', ...step });
    },
  });
  logger.info({ ...result.metrics, examples: result.examples }, 'trained');
  const keeps = keptTensors(result.tensors, instructions);
  if (keeps.length > 0) await workshop.own.keep(task.runId, task.round, keeps);
  const whole = (instructions.share ?? 'both') === 'both';
  const trained = workshop.scrambleBasis && whole ? scrambleBasis(result.tensors, ...seed) : result.tensors;
  const tensors = [...sharedTensors(trained, published, instructions)];
  const update = await spool.put(task, { ...result, tensors }, spec.wireDType);
  await training.clear(task);
  return update;
}

async function performTraining(
  taskId: string,
  task: TrainTask,
  workshop: Workshop,
  progress: ProgressReporter,
  signal: AbortSignal,
): Promise<void> {
  await workshop.spool.prune(task);
  await workshop.training.prune(task);
  const spooled = await workshop.spool.find(task);
  if (spooled !== undefined) workshop.logger.info('the update is ready from before: not trained again');
  const update = spooled ?? (await trainedUpdate(task, workshop, progress, signal));
  progress.report({ phase: 'uploading' });
  const { runId, round, adapter } = task;
  const target = { runId, round, taskId, baseVersion: adapter?.version ?? 0 };
  const bytes = await submitUpdate(workshop.connection, update, target, workshop.journal, signal);
  workshop.metrics.sent(bytes);
  workshop.logger.info({ sha256: update.sha256 }, 'update accepted by the coordinator');
}

async function performEvaluation(
  taskId: string,
  task: EvaluateTask,
  workshop: Workshop,
  progress: ProgressReporter,
  signal: AbortSignal,
): Promise<void> {
  const { connection, trainer, logger } = workshop;
  const data = partOf(workshop.data, 'test', 'test');
  const spec = parseRunSpec(parseJson(task.specJson, 'settings'), 'the run');
  progress.report({ phase: 'fetching' });
  const prepared = await prepare(task, spec, workshop, signal);
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

/** Folders of a silo below its own. */
export function siloFolders(folder: string) {
  return {
    consents: join(folder, 'consents'),
    journal: join(folder, 'journal.jsonl'),
    adapters: join(folder, 'adapters'),
    bundles: join(folder, 'bundles'),
    updates: join(folder, 'updates'),
    training: join(folder, 'training'),
    activations: join(folder, 'activations'),
    own: join(folder, 'own'),
    bases: join(folder, 'bases'),
  };
}
