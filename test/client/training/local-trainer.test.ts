import { describe, expect, it } from 'vitest';
import type { DataPart } from '../../../src/client/data/data-set.js';
import type { Example } from '../../../src/client/data/example.js';
import type { LocalTrainer, TrainInput } from '../../../src/client/training/local-trainer.js';
import type { StepProgress } from '../../../src/client/training/train-steps.js';
import { initialAdapter } from '../../../src/model/initial-adapter.js';
import { Random } from '../../../src/random.js';
import { parseRunSpec, type RunSpec } from '../../../src/run-spec.js';
import { encodeTensorFile } from '../../../src/tensor/encode-file.js';
import { tinyTrainers } from './tiny-trainers.js';

const tiny = tinyTrainers();
const { opened, trainer } = tiny;

function spec(changes: Record<string, unknown> = {}): RunSpec {
  return parseRunSpec({
    name: 'test',
    bundle: tiny.bundle.sha256,
    task: { kind: 'text-classification', labels: tiny.bundle.manifest.task.labels, maxTokens: 16 },
    lora: { rank: 2, alpha: 4 },
    training: { batchSize: 8, localSteps: 25, optimizer: { kind: 'adamw', learningRate: 0.02 } },
    ...changes,
  });
}

/** Texts whose words tell the label, of several lengths. */
function data(count: number): DataPart {
  const [spam = '', ham = ''] = tiny.bundle.manifest.task.labels;
  const random = Random.of('texts');
  const words = { [spam]: ['free', 'win', 'money', 'cheap'], [ham]: ['meeting', 'tomorrow', 'mail', 'list'] };
  const examples = Array.from({ length: count }, (_, index): Example => {
    const label = index % 2 === 0 ? spam : ham;
    const chosen = Array.from({ length: 1 + random.integer(9) }, () => words[label]![random.integer(4)]!);
    return { text: chosen.join(' '), label, line: index + 1 };
  });
  return { path: 'texts.jsonl', examples };
}

function input(changes: Partial<TrainInput> = {}): TrainInput {
  const run = spec();
  return {
    bundle: tiny.bundle,
    spec: run,
    adapter: initialAdapter(tiny.bundle, run.lora, 1),
    data: data(60),
    instructions: { train: 'both' },
    round: 1,
    seed: [1, 'silo-a', 1],
    ...changes,
  };
}

describe('training', () => {
  it('learns, and evaluation sees it', async () => {
    const local = trainer();
    const task = input();
    const before = await local.evaluate(task);
    const steps: StepProgress[] = [];
    const result = await local.train({ ...task, onProgress: (step) => steps.push(step) });
    const after = await local.evaluate({ ...task, adapter: result.tensors });
    expect(after.loss).toBeLessThan(before.loss * 0.7);
    expect(after.accuracy).toBeGreaterThan(0.9);
    expect(after.macroF1).toBeGreaterThan(0.9);
    expect(after.examples).toBe(60);
    expect(steps.map(({ step }) => step)).toEqual(Array.from({ length: 25 }, (_, index) => index + 1));
    expect(result.examples).toBe(60);
    expect(result.metrics.steps).toBe(25);
    const mean = steps.reduce((sum, { loss }) => sum + loss, 0) / 25;
    expect(result.metrics.loss).toBeCloseTo(mean, 1);
    expect(result.metrics.tokens).toBeGreaterThan(25 * 7 * 3);
  });

  it('gives the same bytes for the same seed, whatever was done before, and others for another', async () => {
    const bytes = async (local: LocalTrainer, changes: Partial<TrainInput>): Promise<string> =>
      encodeTensorFile((await local.train(input(changes))).tensors).sha256;
    const one = trainer();
    const first = await bytes(one, {});
    const other = await bytes(one, { seed: [1, 'silo-a', 2] });
    expect(await bytes(one, {})).toBe(first);
    expect(await bytes(trainer(), {})).toBe(first);
    expect(other).not.toBe(first);
  });

  it('keeps the session open for the same model, and opens one where other factors are trained', async () => {
    const local = trainer();
    await local.evaluate(input());
    await local.train(input());
    await local.train(input({ seed: [1, 'silo-b', 1] }));
    expect(opened).toHaveLength(1);
    const task = input({ instructions: { train: 'b' } });
    const { tensors } = await local.train(task);
    expect(opened).toHaveLength(2);
    const start = new Map(task.adapter.map(({ name, data: values }) => [name, values]));
    for (const { name, data: values } of tensors) {
      const same = Buffer.from(values.buffer, values.byteOffset, values.byteLength).equals(
        Buffer.from(start.get(name)!.buffer, start.get(name)!.byteOffset, start.get(name)!.byteLength),
      );
      expect(same, name).toBe(name.includes('lora_A'));
    }
  });

  it('stops after the step under way, and can be used again', async () => {
    const local = trainer();
    const controller = new AbortController();
    let last = 0;
    const cancelled = local.train(
      input({
        signal: controller.signal,
        onProgress: ({ step }) => {
          last = step;
          if (step === 3) controller.abort();
        },
      }),
    );
    await expect(cancelled).rejects.toMatchObject({ code: 'cancelled' });
    expect(last).toBe(3);
    expect((await local.train(input())).metrics.steps).toBe(25);
  });
});

describe('what cannot be trained on', () => {
  it.each([
    [
      'labels that the run does not know',
      () => ({ data: { path: 'f', examples: [{ text: 'a', label: 'x', line: 7 }] } }),
      'data_unknown_label',
      /f:7/,
    ],
    ['no examples', () => ({ data: { path: 'f', examples: [] } }), 'data_empty', /f/],
    [
      'other labels than the bundle',
      () => ({ spec: spec({ task: { kind: 'text-classification', labels: ['a', 'b'], maxTokens: 8 } }) }),
      'config_invalid',
      /task\.labels/,
    ],
    [
      'a module that is not there',
      () => ({ spec: spec({ lora: { targetModules: ['nothing'] } }) }),
      'option_invalid',
      /nothing/,
    ],
    [
      'an adapter of another rank',
      () => ({ adapter: initialAdapter(tiny.bundle, spec({ lora: { rank: 3 } }).lora, 1) }),
      'tensor_shape',
      /lora_/,
    ],
    [
      'a learning rate that diverges',
      () => ({
        spec: spec({
          lora: { rank: 2, alpha: 1e38 },
          training: { batchSize: 8, localSteps: 200, optimizer: { kind: 'sgd', learningRate: 100 } },
        }),
      }),
      'tensor_not_finite',
      /diverged/,
    ],
  ] as const)('%s', async (_name, changes, code, message) => {
    await expect(trainer().train(input(changes()))).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message) as string,
    });
  });
});
