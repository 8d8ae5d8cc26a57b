import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FedrotError } from '../../errors.js';
import { parseSignedRound, type RoundManifest } from '../../evidence/round-manifest.js';
import { performAggregation } from '../../server/aggregation/perform-aggregation.js';

export interface Replayed {
  readonly round: number;
  /** What the manifest says. */
  readonly expected: string;
  /** What was computed now. */
  readonly computed: string;
  readonly software: RoundManifest['software'];
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
  const scratch = mkdtempSync(join(tmpdir(), 'fedrot-replay-'));
  try {
    const { sha256 } = performAggregation({
      method: aggregation.method,
      options: aggregation.options,
      round,
      seed: aggregation.seed,
      previousPath: previous,
      updates: updates.map(({ silo, weight, sha256: hash }) => ({
        silo,
        weight,
        path: pathOf(hash) ?? '',
        sha256: hash,
      })),
      outputPath: join(scratch, 'adapter.safetensors'),
    });
    return { round, expected: result.sha256, computed: sha256, software };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function isThere(path: string | undefined): path is string {
  return path !== undefined && existsSync(path);
}
