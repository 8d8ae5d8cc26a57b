import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { instructions } from '../../src/align/methods.js';
import { manifestOf, replayRound } from '../../src/cli/audit/replay.js';
import type { NamedTensor } from '../../src/tensor/tensor.js';
import { encodeTensorFile } from '../../src/tensor/encode-file.js';
import { writeTensorFile } from '../../src/tensor/write-file.js';
import { CASES, reference, updateOf, type Aggregation } from './support/every-method.js';
import { createRun, factors, specOf, untilMeasured, untilRun } from './support/harness.js';
import { siloGroup } from './support/silo-group.js';

/** Real rounds over real sockets give what src/align itself computes, whatever the order of arrival, through a restart in the middle. */
const SILOS = [
  { name: 'a', examples: 10 },
  { name: 'b', examples: 25 },
  { name: 'c', examples: 40 },
];
const ROUNDS = 3;
const SEED = 5;

const group = siloGroup(SILOS.map(({ name }) => name));

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

async function playRound(runId: string, round: number, published: readonly NamedTensor[]): Promise<void> {
  const order = [...group.silos.keys()].sort((x, y) => ((x + round) % 3) - ((y + round) % 3));
  for (const at of order) {
    const silo = group.silos[at]!;
    const task = await silo.task(round);
    const { instructionsJson } = task.train;
    await silo.submit(task, updateOf(silo.name, round, instructionsJson, published), {
      examples: SILOS[at]!.examples,
    });
  }
  await untilRun(group.coordinator.admin, runId, (run) => run.rounds.length >= round);
}

describe('every method in real rounds', () => {
  it.each(CASES)('%s: what src/align computes, through a restart, and again in the audit', async (_, aggregation) => {
    const { method = 'fedrot', options = {} } = aggregation;
    const instructionsOf = (round: number): string => JSON.stringify(instructions(method, options, round));
    const initial = factors(1, true);
    const expected = reference(aggregation, initial, SILOS, ROUNDS, SEED, instructionsOf);

    await group.setUp();
    const spec = specOf({ aggregation, seed: SEED, rounds: { count: ROUNDS, minSilos: 3, deadlineMs: 60_000 } });
    const runId = await createRun(group.coordinator.admin, spec, initial);
    await playRound(runId, 1, initial);
    await playRound(runId, 2, expected[0]!.tensors);
    // Round 3 has begun: its state (moments of the optimizer) and what silos merge must be there after a restart.
    await group.silos[0]!.task(3);
    await group.stop();
    await group.setUp();
    await playRound(runId, 3, expected[1]!.tensors);

    const { adapters } = await group.coordinator.admin.listAdapters({ runId });
    expect(adapters.slice(1).map(({ sha256 }) => hex(sha256))).toEqual(
      expected.map(({ tensors }) => encodeTensorFile(tensors).sha256),
    );
    const scratch = mkdtempSync(join(tmpdir(), 'fedrot-merge-'));
    try {
      const merges = expected.map(({ merge }) => merge && writeTensorFile(join(scratch, 'merge'), merge));
      expect(adapters.slice(1).map(({ merge }) => (merge ? hex(merge.sha256) : undefined))).toEqual(
        merges.map((merge) => merge?.sha256),
      );
      if (merges[1]) {
        const task = await group.silos[0]!.task(3);
        expect(task.train.merges.map(({ version, sha256 }) => [version, hex(sha256)])).toEqual([
          [1, merges[0]!.sha256],
          [2, merges[1].sha256],
        ]);
        const hash = createHash('sha256');
        let digest = '';
        for await (const part of group.silos[0]!.calls.fetchAdapter({ runId, version: 2, part: 'ADAPTER_PART_MERGE' }))
          if (part.chunk) hash.update(part.chunk.data);
          else if (part.digest) digest = hex(part.digest.sha256);
        expect(digest).toBe(merges[1].sha256);
      }
    } finally {
      rmSync(scratch, { recursive: true });
    }

    const { manifests } = await group.coordinator.admin.listRoundManifests({ runId });
    for (let round = 1; round <= ROUNDS; round++) {
      const manifest = manifestOf(manifests, round);
      const replayed = replayRound(manifest, (sha256) => join(group.folder, 'tensors', `${sha256}.safetensors`));
      expect(replayed).toMatchObject({ computed: replayed.expected, differing: [] });
      expect(manifest.result.state !== undefined).toBe(aggregation.serverOptimizer !== undefined);
    }
    const run = await untilMeasured(group.coordinator.admin, runId);
    expect(run.rounds.map(({ diagnosticsJson }) => JSON.parse(diagnosticsJson) as unknown)).toEqual(
      expected.map(({ diagnostics }) => JSON.parse(JSON.stringify(diagnostics)) as unknown),
    );
  }, 60_000); // prettier-ignore

  it('refuses what a method did not ask for, and combinations that do not go', async () => {
    await group.setUp();
    const create = (aggregation: Aggregation): Promise<string> =>
      createRun(group.coordinator.admin, specOf({ aggregation }));
    await expect(create({ method: 'fedavg' })).rejects.toThrow(/the methods are fedrot/);
    await expect(create({ method: 'flora', serverOptimizer: { kind: 'fedadam' } })).rejects.toThrow(
      /flora leaves no step for a server optimizer/,
    );
    await expect(create({ method: 'fedrot-exact', robust: { combine: { kind: 'median' } } })).rejects.toThrow(
      /fedrot-exact does not average aligned factors/,
    );
    await expect(
      create({ method: 'fedrot', robust: { combine: { kind: 'krum', byzantine: 1 } } }),
    ).rejects.toThrow(
      /krum against 1 faulty silos: it needs at least 5 updates.*the round has 3; raise rounds.minSilos/,
    );
    const trimmed = { combine: { kind: 'trimmed-mean', fraction: 0.4 } } as const;
    await expect(create({ method: 'fedrot', robust: trimmed })).rejects.toThrow(/the round has 3/);
    await create({ method: 'ffa' });
    const task = await group.silos[0]!.task(1);
    expect(JSON.parse(task.train.instructionsJson)).toEqual({ train: 'b', share: 'b' });
    await expect(group.silos[0]!.submit(task, factors(3))).rejects.toThrow(/lora_A/);
    const state = group.silos[0]!.calls.fetchAdapter({ runId: task.train.runId, part: 'ADAPTER_PART_STATE' });
    await expect(state[Symbol.asyncIterator]().next()).rejects.toThrow(/coordinator's own/);
    const merge = group.coordinator.admin.fetchAdapter({
      runId: task.train.runId,
      part: 'ADAPTER_PART_MERGE',
    });
    await expect(merge[Symbol.asyncIterator]().next()).rejects.toThrow(/no merge file/);
  });
});
