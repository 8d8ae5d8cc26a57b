import type { SiloInstructions } from '../align/instructions.js';
import type { TrainTask } from '../rpc/gen/fedrot/v1/TrainTask.js';
import type { RunSpec } from '../run-spec.js';
import type { NamedTensor } from '../tensor/tensor.js';
import { atRank, keptTensors, loraOfRank, ownRank, sharedTensors, withOwn } from './fit-task.js';
import { checkUpdateSize, submitUpdate } from './link/submit-update.js';
import { ownStart, readOwnAdapter } from './own-start.js';
import { partOf, prepareTask } from './prepare-task.js';
import type { ProgressReporter } from './progress-reporter.js';
import { readInstructions, readSpec } from './read-task.js';
import type { SpooledUpdate } from './spool.js';
import type { TrainInput } from './training/local-trainer.js';
import { scrambleBasis } from './training/scramble-basis.js';
import type { Workshop } from './workshop.js';

/** What the update of a round is made from. */
interface Round {
  readonly task: TrainTask;
  readonly instructions: SiloInstructions;
  readonly published: readonly NamedTensor[];
  /** Where the silo begins, at the run's rank. */
  readonly start: readonly NamedTensor[];
  /** With the settings and the beginning at the silo's own rank. */
  readonly input: Omit<TrainInput, 'checkpoints' | 'onProgress'>;
}

/** Trains, or takes what was trained before, and submits it. */
export async function performTraining(
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
  const update = spooled ?? (await makeUpdate(task, workshop, progress, signal));
  progress.report({ phase: 'uploading' });
  const { runId, round, adapter } = task;
  const target = { runId, round, taskId, baseVersion: adapter?.version ?? 0 };
  const bytes = await submitUpdate(workshop.connection, update, target, workshop.journal, signal);
  workshop.metrics.sent(bytes);
  workshop.logger.info({ sha256: update.sha256 }, 'update accepted by the coordinator');
}

async function makeUpdate(
  task: TrainTask,
  workshop: Workshop,
  progress: ProgressReporter,
  signal: AbortSignal,
): Promise<SpooledUpdate> {
  const spec = readSpec(task);
  const beginsAlone = task.round === 1 && spec.training.start !== undefined;
  const round = await prepareRound(task, spec, beginsAlone, workshop, progress, signal);
  return beginsAlone && spec.training.start === 'finished'
    ? finishedUpdate(round, spec, workshop)
    : trainedUpdate(round, workshop, progress);
}

async function prepareRound(
  task: TrainTask,
  spec: RunSpec,
  beginsAlone: boolean,
  workshop: Workshop,
  progress: ProgressReporter,
  signal: AbortSignal,
): Promise<Round> {
  const { connection } = workshop;
  const data = partOf(workshop.data, 'train');
  const instructions = readInstructions(task);
  progress.report({ phase: 'fetching' });
  const { bundle, adapter: published } = await prepareTask(task, spec, workshop, signal);
  const elements = published.reduce((sum, { data: values }) => sum + values.length, 0);
  checkUpdateSize(elements * (spec.wireDType === 'f32' ? 4 : 2), await connection.session());
  progress.report({ phase: 'preparing', totalSteps: spec.training.localSteps });
  const seed = [spec.seed, connection.silo, task.round];
  const rank = ownRank(workshop.rank, spec, instructions);
  const start = beginsAlone
    ? ownStart(published, spec.lora, await readOwnAdapter(workshop.adapter), seed)
    : withOwn(published, await workshop.own.load(task.runId, task.round));
  const input = {
    bundle,
    spec: { ...spec, lora: loraOfRank(spec.lora, rank) },
    adapter: atRank(start, rank, instructions),
    data,
    signal,
    instructions,
    round: task.round,
    seed,
  };
  return { task, instructions, published, start, input };
}

/** The silo's own adapter as it is: scored, not trained. */
async function finishedUpdate(
  { task, instructions, published, start, input }: Round,
  spec: RunSpec,
  { trainer, spool }: Workshop,
): Promise<SpooledUpdate> {
  const { loss, examples } = await trainer.evaluate({ ...input, adapter: start, spec });
  const metrics = { loss, steps: 0, seconds: 0, tokens: 0 };
  const tensors = [...sharedTensors(input.adapter, published, instructions)];
  return spool.put(task, { tensors, examples, metrics }, spec.wireDType);
}

async function trainedUpdate(
  { task, instructions, published, input }: Round,
  workshop: Workshop,
  progress: ProgressReporter,
): Promise<SpooledUpdate> {
  const { trainer, spool, training, own, logger } = workshop;
  const result = await trainer.train({
    ...input,
    checkpoints: training.of(task, input.data, logger),
    onProgress: (step) => {
      workshop.metrics.step({ kind: 'train', ...step });
      progress.report({ phase: 'training', ...step });
    },
  });
  logger.info({ ...result.metrics, examples: result.examples }, 'trained');
  const keeps = keptTensors(result.tensors, instructions);
  if (keeps.length > 0) await own.keep(task.runId, task.round, keeps);
  const whole = (instructions.share ?? 'both') === 'both';
  const trained =
    workshop.scrambleBasis && whole ? scrambleBasis(result.tensors, ...input.seed) : result.tensors;
  const tensors = [...sharedTensors(trained, published, instructions)];
  const update = await spool.put(task, { ...result, tensors }, input.spec.wireDType);
  await training.clear(task);
  return update;
}
