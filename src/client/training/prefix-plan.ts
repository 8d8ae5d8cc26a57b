import type { RunSpec } from '../../run-spec.js';
import type { PrefixCacheOptions, TrainSession } from '../../train/session-types.js';
import type { ClientConfig } from '../config.js';
import type { EncodedExamples } from './encoded-examples.js';
import { inBatches } from './plan-batches.js';
import { stepsOfRound } from './step-options.js';

/** What a silo gives to caching the frozen layers. */
export interface PrefixCacheSettings extends Pick<
  ClientConfig['training'],
  'prefixCache' | 'prefixCacheMemoryBytes' | 'prefixCacheDiskBytes'
> {
  /** Folder for what goes to disk. */
  readonly folder?: string | undefined;
}

/** Computing everything ahead pays once each example is asked for so often. */
const PAYS_FROM = 2;

/** Rows whose frozen layers are computed together: always the same ones, so that the numbers are, too. */
const FILL_ROWS = 16;

/** Passes over a silo's rows that the whole run makes; the part of a pass counts. */
export function passesOfRun(spec: Pick<RunSpec, 'training' | 'rounds'>, count: number): number {
  const { batchSize, gradientAccumulation } = spec.training;
  return (spec.rounds.count * stepsOfRound(spec, count) * batchSize * gradientAccumulation) / count;
}

/**
 * The session's cache for a run on so many rows; undefined where nothing is to be cached. It depends on the run and the silo's data only,
 * not on the round: a silo that is started again in between comes to the same numbers.
 */
export function prefixOptions(
  settings: PrefixCacheSettings | undefined,
  spec: Pick<RunSpec, 'training' | 'rounds'>,
  count: number,
): PrefixCacheOptions | undefined {
  if (settings === undefined || settings.prefixCache === 'off') return undefined;
  const always = settings.prefixCache === 'on';
  if (!always && passesOfRun(spec, count) < PAYS_FROM) return undefined;
  return {
    memoryBytes: settings.prefixCacheMemoryBytes,
    diskBytes: settings.prefixCacheDiskBytes,
    fill: 'ahead',
    ...(settings.folder !== undefined && { folder: settings.folder }),
    ...(always && { minShare: 0 }),
  };
}

/** Computes the frozen layers of all rows, the shortest first, until the room is used up. `check` may throw between two batches. */
export async function fillPrefixes(
  session: TrainSession,
  encoded: EncodedExamples,
  check: () => void,
): Promise<void> {
  for (const rows of inBatches(encoded.byLength(), FILL_ROWS)) {
    check();
    if (!(await session.fillPrefix(encoded.batch(rows)))) return;
  }
}
