import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { asFedrotError } from '../../src/errors.js';
import { int } from '../../src/train/ir/attributes.js';
import { GraphBuilder } from '../../src/train/ir/builder.js';
import { saveModel } from '../../src/train/ir/files.js';
import { floatTensor } from '../../src/train/ir/tensor-value.js';
import { openSession } from '../../src/train/session.js';
import type { Batch, SessionOptions } from '../../src/train/session-types.js';
import { checkGolden, goldenInputs, goldenOptions } from './support/golden.js';
import { sizeOf, uniform } from './support/random.js';
import { goldenNote, goldenTrain, hasGolden } from './support/shared.js';

const [vocabulary, hidden, classes] = [50, 8, 3];
let folder: string;

const random = (seed: number, dims: readonly number[]): Float32Array =>
  Float32Array.from(uniform(seed, sizeOf(dims)));

/** Bag of words: embedding, a linear module that LoRA adapts, mean over the sequence, a classifier. */
function writeModel(): void {
  const builder = new GraphBuilder({ opset: 17 });
  builder.input('input_ids', 'int64', ['batch', 'sequence']);
  const table = builder.initializer(
    'embedding',
    floatTensor([vocabulary, hidden], random(1, [vocabulary, hidden])),
  );
  const weight = builder.initializer(
    'encoder.weight',
    floatTensor([hidden, hidden], random(2, [hidden, hidden])),
  );
  const head = builder.initializer(
    'classifier.weight',
    floatTensor([classes, hidden], random(3, [classes, hidden])),
  );
  const bias = builder.initializer('classifier.bias', floatTensor([classes], random(4, [classes])));
  const words = builder.op('Gather', [table, 'input_ids']);
  const encoded = builder.op('Tanh', [builder.op('MatMul', [words, weight])]);
  const mean = builder.op('ReduceMean', [encoded], { axes: { kind: 'ints', value: [1] }, keepdims: int(0) });
  builder.op('Gemm', [mean, head, bias], { transB: int(1) }, 'logits');
  builder.output('logits', 'float', ['batch', classes]);
  saveModel(builder.build(), folder, { externalOver: 100 });
}

const options = (): SessionOptions => ({
  folder,
  threads: 1,
  lora: [
    {
      module: {
        name: 'encoder',
        in: hidden,
        out: hidden,
        weight: { initializer: 'encoder.weight', layout: 'in_out' },
      },
      rank: 2,
      scale: 2,
    },
  ],
  dense: [
    {
      name: 'classifier',
      tensors: [
        {
          parameter: 'weight',
          initializer: 'classifier.weight',
          shape: [classes, hidden],
          transposed: false,
        },
        { parameter: 'bias', initializer: 'classifier.bias', shape: [classes], transposed: false },
      ],
    },
  ],
});

const names = {
  a: 'base_model.model.encoder.lora_A.weight',
  b: 'base_model.model.encoder.lora_B.weight',
  bias: 'base_model.model.classifier.bias',
  weight: 'base_model.model.classifier.weight',
};

const start = () => [
  { name: names.a, shape: [2, hidden], data: random(5, [2, hidden]) },
  { name: names.b, shape: [hidden, 2], data: random(6, [hidden, 2]) },
  { name: names.bias, shape: [classes], data: random(7, [classes]) },
  { name: names.weight, shape: [classes, hidden], data: random(8, [classes, hidden]) },
];

function batch(rows: readonly (readonly number[])[], labels: readonly number[]): Batch {
  return {
    inputs: {
      input_ids: {
        dims: [rows.length, rows[0]?.length ?? 0],
        data: BigInt64Array.from(rows.flat().map(BigInt)),
      },
    },
    labels: { dims: [labels.length], data: BigInt64Array.from(labels.map(BigInt)) },
  };
}

const rows = [
  [1, 2, 3, 4],
  [5, 6, 7, 8],
  [9, 10, 11, 12],
];
const sgd = { kind: 'sgd', learningRate: 0.5, momentum: 0.9, weightDecay: 0 } as const;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'fedrot-session-'));
  writeModel();
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('a training session in its thread', () => {
  it('learns, and says how far it is', async () => {
    const session = await openSession(options());
    expect(session.parameters.map(({ name }) => name)).toEqual([names.bias, names.weight, names.a, names.b]);
    await session.load(start());
    await session.resetOptimizer(sgd);
    const before = await session.evaluate(batch(rows, [0, 1, 2]));
    expect(before.count).toBe(3);
    expect(before.logits.dims).toEqual([3, classes]);
    let last = Infinity;
    for (let step = 0; step < 30; step++) last = (await session.step([batch(rows, [0, 1, 2])])).loss;
    const after = await session.evaluate(batch(rows, [0, 1, 2]));
    expect(last).toBeLessThan(0.1);
    expect(after.correct).toBe(3);
    expect(after.lossSum / after.count).toBeLessThan(before.lossSum / before.count);
    await session.close();
    await expect(session.read()).rejects.toThrow(/closed/);
  });

  it('accumulates batches to the gradient of all their rows, weighted by labels that count', async () => {
    const session = await openSession(options());
    await session.load(start());
    await session.resetOptimizer(sgd);
    const whole = await session.step([batch(rows, [0, -100, 2])]);
    const together = await session.read();
    await session.load(start());
    await session.resetOptimizer(sgd);
    const parts = await session.step([batch(rows.slice(0, 1), [0]), batch(rows.slice(1), [-100, 2])]);
    const apart = await session.read();
    expect(parts.loss).toBeCloseTo(whole.loss, 6);
    expect(parts.gradientNorm).toBeCloseTo(whole.gradientNorm, 6);
    together.forEach(({ data }, i) => {
      data.forEach((value, k) => expect(apart[i]?.data[k]).toBeCloseTo(value, 6));
    });
    await session.close();
  });

  it('trains only the factor that it is told to', async () => {
    const session = await openSession({ ...options(), train: 'b' });
    await session.load(start());
    await session.resetOptimizer({ ...sgd, weightDecay: 0.1 });
    await session.step([batch(rows, [0, 1, 2])]);
    const after = new Map((await session.read()).map(({ name, data }) => [name, data]));
    const first = new Map(start().map(({ name, data }) => [name, data]));
    expect(after.get(names.a)).toEqual(first.get(names.a));
    expect(after.get(names.b)).not.toEqual(first.get(names.b));
    expect(after.get(names.bias)).not.toEqual(first.get(names.bias));
    await session.close();
  });

  it('gives the same numbers again', async () => {
    const run = async (): Promise<Float32Array[]> => {
      const session = await openSession(options());
      await session.load(start());
      await session.resetOptimizer({
        kind: 'adamw',
        learningRate: 0.01,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        weightDecay: 0.01,
      });
      for (let step = 0; step < 5; step++) await session.step([batch(rows, [0, 1, 2])]);
      const tensors = await session.read();
      await session.close();
      return tensors.map(({ data }) => data);
    };
    expect(await run()).toEqual(await run());
  });

  it('refuses what does not fit, says what, and goes on', async () => {
    const session = await openSession(options());
    const fails = async (action: Promise<unknown>, code: string, message: RegExp): Promise<void> => {
      const error = await action.then(() => undefined, asFedrotError);
      expect(error?.code).toBe(code);
      expect(error?.message).toMatch(message);
    };
    await fails(session.read(), 'precondition_failed', /load the parameters first/);
    const [a, ...others] = start();
    await fails(session.load(others), 'tensor_name', /lora_A\.weight is missing/);
    await fails(
      session.load([...start(), { name: 'x', shape: [1], data: new Float32Array(1) }]),
      'tensor_name',
      /^x is not/,
    );
    if (a !== undefined)
      await fails(
        session.load([{ ...a, shape: [hidden, 2] }, ...others]),
        'tensor_shape',
        /shape \[8, 2\].*expected \[2, 8\]/,
      );
    await session.load(start());
    await fails(session.step([batch(rows, [0, 1, 2])]), 'precondition_failed', /optimizer/);
    await session.resetOptimizer(sgd);
    await fails(
      session.step([batch(rows, [0, 1, 3])]),
      'data_invalid',
      /label 3 is none of the model's 3 classes/,
    );
    await fails(session.step([batch(rows, [-100, -100, -100])]), 'data_invalid', /no label counts/);
    const { labels } = batch(rows, [0, 1, 2]);
    await fails(session.step([{ inputs: {}, labels }]), 'data_invalid', /input input_ids is missing/);
    const { loss } = await session.step([batch(rows, [0, 1, 2])]);
    expect(loss).toBeGreaterThan(0);
    await session.close();
  });

  it('fails to open with a reason', async () => {
    const [lora] = options().lora;
    if (lora === undefined) return;
    const other = {
      ...lora,
      module: { ...lora.module, weight: { initializer: 'none', layout: 'in_out' as const } },
    };
    await expect(openSession({ ...options(), lora: [other] })).rejects.toThrow(
      /module encoder: the model has no initializer none/,
    );
    await expect(openSession({ ...options(), folder: join(folder, 'absent') })).rejects.toMatchObject({
      code: 'not_found',
    });
    await expect(openSession({ ...options(), lora: [], dense: [] })).rejects.toMatchObject({
      code: 'option_invalid',
    });
    await expect(openSession({ ...options(), threads: 0 })).rejects.toMatchObject({ code: 'option_invalid' });
  });

  it.skipIf(!hasGolden)(`passes bert's golden data${goldenNote}`, async () => {
    const golden = join(goldenTrain, 'bert');
    const session = goldenOptions(golden, 'model.onnx', 'lora-head');
    const checks = await checkGolden(
      golden,
      'lora-head',
      session,
      goldenInputs(golden, 'model.onnx'),
      openSession,
    );
    expect(checks.length).toBeGreaterThan(40);
    expect(checks.filter(({ ok }) => !ok)).toEqual([]);
  });
});
