import { availableParallelism } from 'node:os';
import type { Bundle } from '../../model/bundle.js';
import type { Silo } from '../../rpc/gen/fedrot/v1/Silo.js';
import type { RunSpec } from '../../run-spec.js';
import { BYTES_PER_ELEMENT } from '../../tensor/dtype.js';
import { formatBytes, formatDuration } from '../format.js';

/** What a few steps on this machine have shown. */
export interface Probe {
  /** Median wall time of an optimizer step, seconds. */
  readonly stepSeconds: number;
  /** Peak of the process's resident memory, bytes. */
  readonly peakBytes: number;
  readonly threads: number;
}

/** What a run will take, as far as can be told before. Times are those of the probing machine. */
export interface Estimate {
  /** Values of one adapter. */
  readonly parameters: number;
  /** Payload that a silo sends in a round, and receives. */
  readonly updateBytes: number;
  readonly adapterBytes: number;
  /** Both directions, all silos that are needed, all rounds. */
  readonly totalBytes: number;
  /** Received once by every silo that does not have it. */
  readonly bundleBytes: number;
  readonly trainers: number;
  readonly probe?: Probe;
  /** Training in a round, and with the transfer at 1 MB/s. */
  readonly trainSeconds?: number;
  readonly roundSeconds?: number;
}

/** A slow uplink: what an estimate of time has to stand. */
const LINK_BYTES_PER_SECOND = 1e6;
const DAY_S = 86_400;

export function estimateRun(
  spec: RunSpec,
  bundle: Pick<Bundle, 'manifest'>,
  parameters: number,
  { trainers, probe }: { readonly trainers: number; readonly probe?: Probe | undefined },
): Estimate {
  const updateBytes = parameters * BYTES_PER_ELEMENT[spec.wireDType];
  const adapterBytes = parameters * BYTES_PER_ELEMENT.f32;
  const silos = Math.max(trainers, spec.rounds.minSilos);
  const bundleBytes = bundle.manifest.files.reduce((sum, { bytes }) => sum + bytes, 0);
  const common = {
    parameters,
    updateBytes,
    adapterBytes,
    totalBytes: (updateBytes + adapterBytes) * silos * spec.rounds.count,
    bundleBytes,
    trainers,
  };
  if (probe === undefined) return common;
  const trainSeconds = probe.stepSeconds * spec.training.localSteps;
  const roundSeconds = trainSeconds + (updateBytes + adapterBytes) / LINK_BYTES_PER_SECOND;
  return { ...common, probe, trainSeconds, roundSeconds };
}

/** What looks wrong about a run before it begins, each with what to do. */
export function preflightWarnings(
  spec: RunSpec,
  estimate: Estimate,
  silos: readonly Silo[] | undefined,
): string[] {
  const { rounds, training, evaluation } = spec;
  const warnings: string[] = [];
  const deadlineS = rounds.deadlineMs / 1000;
  const { roundSeconds, updateBytes } = estimate;
  if (roundSeconds !== undefined && roundSeconds > deadlineS)
    warnings.push(
      `a round takes about ${formatDuration(1000 * roundSeconds)} on a machine like this one, and the deadline is ${formatDuration(rounds.deadlineMs)}: raise --rounds-deadline-ms or lower --training-local-steps`,
    );
  if (roundSeconds !== undefined && roundSeconds * rounds.count > 7 * DAY_S)
    warnings.push(`all rounds take about ${Math.round((roundSeconds * rounds.count) / DAY_S)} days`);
  if (updateBytes > 100e6)
    warnings.push(
      `every silo sends ${formatBytes(updateBytes)} a round: a smaller --lora-rank, fewer modules, or --wire-d-type bf16 make it less`,
    );
  if (silos === undefined) return warnings;
  const trainers = silos.filter(({ role, connected }) => connected && role === 'SILO_ROLE_TRAINER');
  if (trainers.length < rounds.minSilos)
    warnings.push(
      `${trainers.length} trainers are connected and a round needs ${rounds.minSilos}: the run waits for the rest (fedrot silo list)`,
    );
  const drawn = training.localSteps * training.batchSize;
  for (const { silo, examples } of trainers)
    if (examples > 0 && drawn > 20 * examples)
      warnings.push(
        `${silo} has ${examples} examples, and a round draws ${drawn}: each ${Math.round(drawn / examples)} times; lower --training-local-steps`,
      );
  const judged = silos.some(({ role, connected }) => connected && role === 'SILO_ROLE_EVALUATOR');
  if (evaluation.every > 0 && !judged)
    warnings.push(
      'no evaluator is connected: no version will have a score (fedrot client --role evaluator --data-test FILE)',
    );
  return warnings;
}

/** The estimate in words, one line a thing. */
export function formatEstimate(spec: RunSpec, estimate: Estimate): string {
  const {
    parameters,
    updateBytes,
    adapterBytes,
    totalBytes,
    bundleBytes,
    probe,
    trainSeconds,
    roundSeconds,
  } = estimate;
  const lines = [
    `adapter   ${parameters.toLocaleString('en-US')} values; a silo receives ${formatBytes(adapterBytes)} and sends ${formatBytes(updateBytes)} a round`,
    `traffic   ${formatBytes(totalBytes)} over ${spec.rounds.count} rounds; the bundle is ${formatBytes(bundleBytes)}, once for each silo`,
  ];
  if (probe !== undefined && trainSeconds !== undefined && roundSeconds !== undefined)
    lines.push(
      `memory    ${formatBytes(probe.peakBytes)} on a silo, at most, with texts of ${spec.task.maxTokens} tokens`,
      `time      ${formatDuration(1000 * trainSeconds)} of training a round (${formatDuration(1000 * probe.stepSeconds)} a step on ${probe.threads} of ${availableParallelism()} cores here), ` +
        `about ${formatDuration(1000 * roundSeconds)} with the transfer at 1 MB/s`,
    );
  return `${lines.join('\n')}\n`;
}
