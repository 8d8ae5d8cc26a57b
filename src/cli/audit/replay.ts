import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FedrotError } from '../../errors.js';
import { parseSignedRound, type RoundManifest } from '../../evidence/round-manifest.js';
import { robustSchema, serverOptimizerSchema } from '../../aggregation-spec.js';
import type { RobustSpec, ServerOptimizerSpec } from '../../run-spec.js';
import { performAggregation } from '../../server/aggregation/perform-aggregation.js';
import { sha256Hex } from '../../sha256.js';

export interface Replayed {
  readonly round: number;
  /** What the manifest says. */
  readonly expected: string;
  /** What was computed now. */
  readonly computed: string;
  /** Which files beside the adapter are not the same. */
  readonly differing: readonly ('merge' | 'state')[];
  readonly software: RoundManifest['software'];
}

/** The steps of the aggregation as the run had them. */
function parseAggregation({ serverOptimizer, robust }: RoundManifest['aggregation']): {
  serverOptimizer?: ServerOptimizerSpec | undefined;
  robust?: RobustSpec | undefined;
} {
  return {
    serverOptimizer: serverOptimizerSchema.optional().parse(serverOptimizer),
    robust: robustSchema.optional().parse(robust),
  };
}

/** The manifest of a round, of a chain that was verified. Throws not_found. */
export function manifestOf(texts: readonly string[], round: number): RoundManifest {
  const text = texts[round - 1];
  if (text === undefined)
    throw new FedrotError('not_found', `there is no round ${round}; the chain has ${texts.length}`);
  return parseSignedRound(text).manifest;
}

/**
 * Computes a round's adapter once more from the stored updates, as its manifest says. `pathOf` gives the file of a SHA-256, or undefined
 * where it is not there. Throws not_found where updates are no longer kept, storage_corrupt where one was changed.
 */
export function replayRound(
  manifest: RoundManifest,
  pathOf: (sha256: string) => string | undefined,
): Replayed {
  const { run, round, aggregation, reference, result, updates, software } = manifest;
  if (manifest.rollback !== undefined) return replayRollback(manifest, pathOf);
  const gone = updates.filter(({ sha256 }) => !isThere(pathOf(sha256)));
  if (gone.length > 0)
    throw new FedrotError(
      'not_found',
      `round ${round} of run ${run} cannot be replayed: the updates of ${gone.map(({ silo }) => silo).join(', ')} are gone (retention deletes raw updates; their hashes stay in the manifest)`,
    );
  const previous = pathOf(reference.sha256);
  if (!isThere(previous))
    throw new FedrotError(
      'not_found',
      `version ${reference.version} of run ${run}, which round ${round} began with, is gone`,
    );
  const lost = updates.find(({ stale }) => stale !== undefined && !isThere(pathOf(stale.sha256)));
  if (lost !== undefined)
    throw new FedrotError(
      'not_found',
      `version ${lost.stale?.version} of run ${run}, which the update of ${lost.silo} in round ${round} began from, is gone`,
    );
  const state = reference.state === undefined ? undefined : pathOf(reference.state);
  if (reference.state !== undefined && !isThere(state))
    throw new FedrotError(
      'not_found',
      `the state of version ${reference.version} of run ${run}, which round ${round} went on from, is gone`,
    );
  const { serverOptimizer, robust } = parseAggregation(aggregation);
  const scratch = mkdtempSync(join(tmpdir(), 'fedrot-replay-'));
  try {
    const computed = performAggregation({
      method: aggregation.method,
      options: aggregation.options,
      serverOptimizer,
      robust,
      ...(state !== undefined && { state: { path: state, sha256: reference.state ?? '' } }),
      round,
      seed: aggregation.seed,
      previousPath: previous,
      updates: updates.map(({ silo, weight, sha256: hash, stale }) => ({
        silo,
        weight,
        path: pathOf(hash) ?? '',
        sha256: hash,
        ...(stale && {
          stale: { path: pathOf(stale.sha256) ?? '', sha256: stale.sha256, scale: stale.scale },
        }),
      })),
      outputPath: join(scratch, 'adapter.safetensors'),
      mergeOutputPath: join(scratch, 'merge.safetensors'),
      stateOutputPath: join(scratch, 'state.safetensors'),
    });
    const files = (['merge', 'state'] as const).map((kind) => ({
      what: kind,
      expected: result[kind],
      computed: computed[kind]?.sha256,
    }));
    return {
      round,
      expected: result.sha256,
      computed: computed.sha256,
      differing: files.filter((file) => file.expected !== file.computed).map(({ what }) => what),
      software,
    };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** A rollback computes nothing: its result is the file of the old version, which is there and what it was. */
function replayRollback(
  { round, result, rollback, software }: RoundManifest,
  pathOf: (sha256: string) => string | undefined,
): Replayed {
  const path = pathOf(result.sha256);
  if (!isThere(path))
    throw new FedrotError(
      'not_found',
      `version ${rollback?.version}, to which round ${round} goes back, is gone`,
    );
  return { round, expected: result.sha256, computed: sha256Hex(readFileSync(path)), differing: [], software };
}

function isThere(path: string | undefined): path is string {
  return path !== undefined && existsSync(path);
}
