import { mkdtempSync, readdirSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DataPart } from '../../src/client/data/data-set.js';
import type { TrainingCheckpoint } from '../../src/client/training/training-checkpoint.js';
import { TrainingSpool, type TrainingSpoolOptions } from '../../src/client/training-spool.js';
import { systemClock } from '../../src/clock.js';
import { recordingLogger } from './recording-logger.js';
import { trainTask as task } from './train-task.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fedrot-training-spool-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const data = (text: string): DataPart => ({ path: 'x', examples: [{ text, label: 'a', line: 1 }] });

const checkpoint = (step: number): TrainingCheckpoint => ({
  step,
  sums: { loss: step / 3, labels: step, tokens: 10 * step, seconds: 0.1 * step },
  state: {
    parameters: [
      { name: 'base_model.model.x.lora_A.weight', shape: [1, 2], data: Float32Array.of(step, 0.1) },
    ],
    optimizer: {
      spec: { kind: 'adamw', learningRate: 0.1, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 },
      states: [{ step, slots: [Float32Array.of(1e-30, step), Float32Array.of(0.3, -0)] }],
    },
  },
});

const lines: string[] = [];
const logger = recordingLogger(lines);

function spool(options: Partial<TrainingSpoolOptions> = {}): TrainingSpool {
  return new TrainingSpool({ folder, clock: systemClock, intervalMs: 0, threads: 1, ...options });
}

describe('TrainingSpool', () => {
  it('gives back the last state, bit by bit', async () => {
    const store = spool().of(task(), data('a'), logger);
    for (const step of [1, 2, 3]) await store.save(checkpoint(step));
    expect(await spool().of(task(), data('a'), logger).load()).toEqual(checkpoint(3));
    expect(readdirSync(folder)).toHaveLength(4);
  });

  it('falls back on the state before where the last one is damaged', async () => {
    const store = spool().of(task(), data('a'), logger);
    await store.save(checkpoint(1));
    await store.save(checkpoint(2));
    const second = readdirSync(folder).find((name) => name.endsWith('.b.safetensors'))!;
    truncateSync(join(folder, second), 100);
    expect((await store.load())?.step).toBe(1);
    const first = readdirSync(folder).find((name) => name.endsWith('.a.json'))!;
    writeFileSync(join(folder, first), '{"runId');
    expect(await store.load()).toBeUndefined();
  });

  it.each([
    [
      'task',
      (): Promise<unknown> =>
        spool()
          .of(task({ specJson: '{"seed":1}' }), data('a'), logger)
          .load(),
    ],
    ['examples', () => spool().of(task(), data('b'), logger).load()],
    ['number of threads', () => spool({ threads: 2 }).of(task(), data('a'), logger).load()],
  ])('is not taken for another %s', async (_, load) => {
    await spool().of(task(), data('a'), logger).save(checkpoint(5));
    expect(await load()).toBeUndefined();
  });

  it('saves no more often than it was told', () => {
    let now = 1000;
    const clock = { now: () => now, after: () => () => undefined };
    const store = spool({ clock, intervalMs: 50 }).of(task(), data('a'), logger);
    expect(store.due()).toBe(false);
    now += 50;
    expect(store.due()).toBe(true);
  });

  it('forgets what is done, superseded or old, and keeps other runs', async () => {
    const all = spool();
    const other = task({ runId: 'other', round: 1 });
    await all.of(other, data('a'), logger).save(checkpoint(1));
    await all.of(task({ round: 1 }), data('a'), logger).save(checkpoint(1));
    await all.of(task(), data('a'), logger).save(checkpoint(1));
    await all.prune(task());
    expect(readdirSync(folder)).toHaveLength(4);
    await all.clear(task());
    expect((await all.of(other, data('a'), logger).load())?.step).toBe(1);
    for (const name of readdirSync(folder)) utimesSync(join(folder, name), 1, 1);
    await all.prune(task());
    expect(readdirSync(folder)).toEqual([]);
  });

  it('does not stop training where nothing can be stored', async () => {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    const store = spool({ folder: join(file, 'below') }).of(task(), data('a'), logger);
    await store.save(checkpoint(1));
    expect(lines.some((line) => line.includes('could not be stored'))).toBe(true);
    expect(await store.load()).toBeUndefined();
  });
});
