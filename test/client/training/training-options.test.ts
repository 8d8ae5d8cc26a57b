import { describe, expect, it } from 'vitest';
import type { DataPart } from '../../../src/client/data/data-set.js';
import type { Example } from '../../../src/client/data/example.js';
import type { TrainInput } from '../../../src/client/training/local-trainer.js';
import { passesOfRun } from '../../../src/client/training/prefix-plan.js';
import type {
  CheckpointStore,
  TrainingCheckpoint,
} from '../../../src/client/training/training-checkpoint.js';
import { initialAdapter } from '../../../src/model/initial-adapter.js';
import { Random } from '../../../src/random.js';
import { parseRunSpec, type RunSpec } from '../../../src/run-spec.js';
import { encodeTensorFile } from '../../../src/tensor/encode-file.js';
import type { NamedTensor } from '../../../src/tensor/tensor.js';
import { worstDifference } from '../../train/support/finite-differences.js';
import { tinyTrainers } from './tiny-trainers.js';

const tiny = tinyTrainers();
const { opened, trainer } = tiny;

const SGD = { kind: 'sgd', learningRate: 0.1 };

function spec(training: Record<string, unknown> = {}, lora: Record<string, unknown> = {}): RunSpec {
  return parseRunSpec({
    name: 'test',
    bundle: tiny.bundle.sha256,
    task: { kind: 'text-classification', labels: tiny.bundle.manifest.task.labels, maxTokens: 16 },
    lora: { rank: 2, alpha: 4, ...lora },
    training: { batchSize: 4, localSteps: 10, ...training },
    rounds: { count: 3 },
  });
}

function data(count: number): DataPart {
  const random = Random.of('options');
  const words = ['free', 'win', 'money', 'cheap', 'meeting', 'tomorrow'];
  const examples = Array.from({ length: count }, (_, index): Example => {
    const chosen = Array.from({ length: 1 + random.integer(9) }, () => words[random.integer(6)]!);
    return { text: chosen.join(' '), label: tiny.bundle.manifest.task.labels[index % 2]!, line: index + 1 };
  });
  return { path: 'texts.jsonl', examples };
}

function input(run: RunSpec, changes: Partial<TrainInput> = {}): TrainInput {
  return {
    bundle: tiny.bundle,
    spec: run,
    adapter: initialAdapter(tiny.bundle, run.lora, 1),
    data: data(20),
    instructions: { train: 'both' },
    round: 1,
    seed: [1, 'silo-a', 1],
    ...changes,
  };
}

const sha = (tensors: readonly NamedTensor[]): string => encodeTensorFile(tensors).sha256;

/** Keeps checkpoints in memory, one after each step. */
class MemoryStore implements CheckpointStore {
  readonly saved: TrainingCheckpoint[] = [];

  constructor(private readonly from?: TrainingCheckpoint) {}

  load(): Promise<TrainingCheckpoint | undefined> {
    return Promise.resolve(this.from);
  }

  due(): boolean {
    return true;
  }

  save(checkpoint: TrainingCheckpoint): Promise<void> {
    this.saved.push(structuredClone(checkpoint));
    return Promise.resolve();
  }
}

describe('gradient accumulation', () => {
  it('makes the step of one large batch, where the batches together hold the same examples', async () => {
    // One pass over 8 examples: whatever their order, a step sees all of them.
    const eight = data(8);
    const large = await trainer().train(
      input(spec({ batchSize: 8, localSteps: 3, optimizer: SGD }), { data: eight }),
    );
    const small = await trainer().train(
      input(spec({ batchSize: 2, gradientAccumulation: 4, localSteps: 3, optimizer: SGD }), { data: eight }),
    );
    expect(small.metrics.steps).toBe(3);
    expect(small.metrics.tokens).toBe(large.metrics.tokens);
    expect(small.metrics.loss).toBeCloseTo(large.metrics.loss, 5);
    large.tensors.forEach(({ name, data: values }, i) => {
      expect(worstDifference(small.tensors[i]?.data ?? [], values), name).toBeLessThan(1e-5);
    });
  });
});

describe('early stop', () => {
  it.each([
    [2, 1, 10], // 20 examples in batches of 4: 5 a pass
    [0.5, 1, 3],
    [1, 2, 3],
    [40, 1, 12],
    [0.01, 8, 1],
  ])(
    'after %d epochs with %i batches a step: %i steps',
    async (maxLocalEpochs, gradientAccumulation, steps) => {
      const run = spec({ localSteps: 12, maxLocalEpochs, gradientAccumulation });
      const seen: number[] = [];
      const result = await trainer().train(
        input(run, { onProgress: ({ totalSteps }) => void seen.push(totalSteps) }),
      );
      expect(result.metrics.steps).toBe(steps);
      expect(new Set(seen)).toEqual(new Set([steps]));
    },
  );

  it('with the step under way when the seconds are used up', async () => {
    // A clock on which every step takes 0.4 s.
    let now = 0;
    const clock = { now: () => (now += 400), after: () => () => undefined };
    const result = await trainer({ clock }).train(input(spec({ maxLocalSeconds: 1 })));
    expect(result.metrics.steps).toBe(3);
    expect(result.metrics.seconds).toBeCloseTo(1.2, 9);
  });
});

describe('dropout', () => {
  it('is drawn from the seed: the same for the same, another for another, and none where nothing is trained', async () => {
    const dropping = spec({ optimizer: SGD }, { dropout: 0.3 });
    const local = trainer();
    const [a, b, c, plain] = [
      await local.train(input(dropping)),
      await trainer().train(input(dropping)),
      await local.train(input(dropping, { round: 2, seed: [1, 'silo-a', 2] })),
      await trainer().train(input(spec({ optimizer: SGD }))),
    ];
    expect(opened[0]?.dropout).toBe(0.3);
    expect(sha(a.tensors)).toBe(sha(b.tensors));
    expect(sha(c.tensors)).not.toBe(sha(a.tensors));
    expect(sha(plain.tensors)).not.toBe(sha(a.tensors));
    const scored = [
      await local.evaluate(input(dropping, { adapter: a.tensors })),
      await trainer().evaluate(input(spec(), { adapter: a.tensors })),
    ];
    expect(scored[0]!.loss).toBeCloseTo(scored[1]!.loss, 6);
  });
});

describe('prefix cache', () => {
  const settings = { prefixCacheMemoryBytes: 1 << 20, prefixCacheDiskBytes: 0 };
  /** The top layer alone is adapted: there is something below. */
  const top = { targetModules: ['/.*layer\\.1\\..*query/'] };

  it('gives the same adapter to rounding, and the same bytes whatever was trained before', async () => {
    const run = spec({ optimizer: SGD }, top);
    const plain = await trainer().train(input(run));
    const local = trainer({ prefixCache: { ...settings, prefixCache: 'on' } });
    const cached = await local.train(input(run));
    expect(opened.at(-1)?.prefixCache).toEqual({
      memoryBytes: 1 << 20,
      diskBytes: 0,
      fill: 'ahead',
      minShare: 0,
    });
    plain.tensors.forEach(({ name, data: values }, i) => {
      expect(worstDifference(cached.tensors[i]?.data ?? [], values), name).toBeLessThan(1e-4);
    });
    const second = { round: 2, seed: [1, 'silo-a', 2] } as const;
    const afterFirst = await local.train(input(run, second));
    const fresh = await trainer({ prefixCache: { ...settings, prefixCache: 'on' } }).train(
      input(run, second),
    );
    expect(sha(fresh.tensors)).toBe(sha(afterFirst.tensors));
  });

  it.each([0, 700])('with %i bytes of room computes the rest every time', async (prefixCacheMemoryBytes) => {
    const run = spec({ optimizer: SGD }, top);
    const plain = await trainer().train(input(run));
    const small = trainer({ prefixCache: { ...settings, prefixCacheMemoryBytes, prefixCache: 'on' } });
    const cached = await small.train(input(run));
    plain.tensors.forEach(({ name, data: values }, i) => {
      expect(worstDifference(cached.tensors[i]?.data ?? [], values), name).toBeLessThan(1e-4);
    });
  });

  it('auto is on where examples come at least twice in the run, and off means off', async () => {
    const run = spec({ localSteps: 2 }, top); // 3 rounds × 2 steps × 4 examples
    expect(passesOfRun(run, 20)).toBeCloseTo(1.2, 12);
    expect(passesOfRun(spec({ localSteps: 20, maxLocalEpochs: 1 }), 20)).toBe(3);
    const cacheOf = async (prefixCache: 'auto' | 'off' | 'on', count: number) => {
      await trainer({ prefixCache: { ...settings, prefixCache } }).train(input(run, { data: data(count) }));
      return opened.at(-1)?.prefixCache;
    };
    expect(await cacheOf('auto', 20)).toBeUndefined();
    expect(await cacheOf('auto', 12)).toMatchObject({ fill: 'ahead' });
    expect(await cacheOf('off', 12)).toBeUndefined();
    expect(await cacheOf('on', 20)).toMatchObject({ fill: 'ahead' });
  });
});

describe('an interrupted round', () => {
  it.each([
    ['AdamW with everything', { optimizer: { kind: 'adamw' }, proximal: 0.1, gradientAccumulation: 2 }, 'on'],
    ['SGD with momentum', { optimizer: { ...SGD, momentum: 0.9 }, schedule: { kind: 'cosine' } }, 'off'],
    ['SGD', { optimizer: SGD, maxGradientNorm: 0.5 }, 'auto'],
  ] as const)('%s: goes on to the same bytes and the same figures', async (_, training, prefixCache) => {
    const run = spec(training, { dropout: 0.2 });
    const options = {
      prefixCache: { prefixCache, prefixCacheMemoryBytes: 1 << 20, prefixCacheDiskBytes: 0 },
    };
    const expected = await trainer(options).train(input(run));
    const first = new MemoryStore();
    const controller = new AbortController();
    const cut = trainer(options).train(
      input(run, {
        checkpoints: first,
        signal: controller.signal,
        onProgress: ({ step }) => {
          if (step === 4) controller.abort();
        },
      }),
    );
    await expect(cut).rejects.toMatchObject({ code: 'cancelled' });
    expect(first.saved.at(-1)?.step).toBe(4);
    for (const from of [first.saved.at(-1)!, first.saved[1]!]) {
      const steps: number[] = [];
      const resumed = await trainer(options).train(
        input(run, { checkpoints: new MemoryStore(from), onProgress: ({ step }) => void steps.push(step) }),
      );
      expect(steps[0]).toBe(from.step + 1);
      expect(sha(resumed.tensors)).toBe(sha(expected.tensors));
      expect({ ...resumed.metrics, seconds: 0 }).toEqual({ ...expected.metrics, seconds: 0 });
    }
  });
});
