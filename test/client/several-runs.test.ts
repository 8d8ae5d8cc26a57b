import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { replayRound } from '../../src/cli/audit/replay.js';
import type { TrainInput, TrainResult } from '../../src/client/training/local-trainer.js';
import { readRounds } from '../../src/evidence/round-files.js';
import { parseSignedRound } from '../../src/evidence/round-manifest.js';
import { Federation } from './federation.js';
import { StubTrainer } from './stub-trainer.js';

/** Real daemons and a real coordinator; only training is a stub, which takes as long as it is told. */
let federation: Federation;

beforeEach(async () => {
  federation = await Federation.start();
});
afterEach(() => federation.close());

class SlowTrainer extends StubTrainer {
  constructor(private readonly takesMs: (input: TrainInput) => number) {
    super();
  }

  override async train(input: TrainInput): Promise<TrainResult> {
    await new Promise((resolve) => setTimeout(resolve, this.takesMs(input)));
    return super.train(input);
  }
}

describe('an asynchronous run with real daemons', () => {
  it(
    'does not wait for the slow one, counts what it brings by its age, and can be recomputed',
    { timeout: 120_000 },
    async () => {
      await federation.silo('quick-1', 4);
      await federation.silo('quick-2', 4);
      await federation.silo('slow', 4, {}, new SlowTrainer(() => 1500));
      const runId = await federation.create({
        rounds: { count: 8, minSilos: 1, updates: 2, mode: 'async', deadlineMs: 60_000 },
      });
      const { rounds } = await federation.finished(runId);
      expect(rounds).toHaveLength(8);
      const of = (silo: string): number[] =>
      rounds.flatMap(({ updates }) => updates.filter((update) => update.silo === silo).map(({ staleness }) => staleness)); // prettier-ignore
      expect(of('quick-1').length + of('quick-2').length).toBeGreaterThan(of('slow').length);
      // More where some came in while a version was being published.
      expect(Math.min(...rounds.map(({ updates }) => updates.length))).toBeGreaterThanOrEqual(2);
      const manifests = await readRounds(join(federation.folder, 'coordinator', 'evidence', runId));
      const pathOf = (sha256: string): string =>
        join(federation.folder, 'coordinator', 'tensors', `${sha256}.safetensors`);
      let stale = 0;
      for (const text of manifests) {
        const { manifest } = parseSignedRound(text);
        stale += manifest.updates.filter((update) => update.stale !== undefined).length;
        expect(replayRound(manifest, pathOf).computed).toBe(manifest.result.sha256);
      }
      expect(stale).toBeGreaterThan(0);
    },
  );
});

describe('several runs at once', () => {
  it(
    'are all served by the same silos: none starves beside one whose tasks take ten times as long',
    { timeout: 120_000 },
    async () => {
      const takesMs = ({ spec }: TrainInput): number => (spec.name === 'heavy' ? 400 : 40);
      const trainers = ['a', 'b'].map(() => new SlowTrainer(takesMs));
      for (const [i, name] of ['a', 'b'].entries()) await federation.silo(name, 4, {}, trainers[i]);
      const rounds = { minSilos: 2, deadlineMs: 60_000 };
      const heavy = await federation.create({ name: 'heavy', rounds: { ...rounds, count: 3 } });
      const light = await federation.create({ name: 'light', rounds: { ...rounds, count: 6 }, share: 2 });
      await Promise.all([federation.finished(heavy), federation.finished(light)]);
      for (const { trained } of trainers) {
        const order = trained.map(({ spec }) => spec.name);
        expect(order.filter((name) => name === 'heavy')).toHaveLength(3);
        expect(order.filter((name) => name === 'light')).toHaveLength(6);
        // Both get their turns while the other one still has work.
        expect(order.indexOf('light')).toBeLessThan(order.lastIndexOf('heavy'));
        expect(order.indexOf('heavy')).toBeLessThan(order.lastIndexOf('light'));
      }
    },
  );
});
