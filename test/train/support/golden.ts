import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { OptimizerSpec } from '../../../src/run-spec.js';
import { openSafetensors } from '../../../src/tensor/safetensors-file.js';
import type { NamedTensor } from '../../../src/tensor/tensor.js';
import { loadModel } from '../../../src/train/ir/files.js';
import { normalizeModel } from '../../../src/train/ir/normalize.js';
import { tensorNumbers } from '../../../src/train/ir/tensor-value.js';
import type { DenseModule } from '../../../src/train/modules.js';
import type {
  Batch,
  IntTensor,
  LoraSite,
  SessionOptions,
  TrainSession,
} from '../../../src/train/session-types.js';
import { Trainer } from '../../../src/train/trainer.js';

/** One comparison with PyTorch + PEFT, in the terms of the golden data's README. */
export interface GoldenCheck {
  readonly check: string;
  readonly error: number;
  readonly tolerance: number;
  readonly ok: boolean;
}

export type Adapter = 'lora' | 'lora-head';

interface Meta {
  readonly task: string;
  readonly peft: { readonly r: number; readonly scaling: number };
  readonly adapted_modules: Readonly<Record<string, { readonly in: number; readonly out: number }>>;
  readonly onnx: Readonly<
    Record<string, { readonly inputs: readonly string[]; readonly adapted_weights: Weights }>
  >;
}

type Weights = Readonly<Record<string, { readonly initializer: string; readonly layout: string }>>;

interface Losses {
  readonly loss_lora: number;
  readonly adamw: { readonly losses: readonly number[] };
  readonly sgd: { readonly losses: readonly number[] };
}

const json = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8'));

export function readMeta(folder: string): Meta {
  return json(join(folder, 'meta.json')) as Meta;
}

function intTensor(rows: readonly (number | readonly number[])[]): IntTensor {
  const first = rows[0];
  const dims = typeof first === 'object' ? [rows.length, first.length] : [rows.length];
  return { dims, data: BigInt64Array.from(rows.flat().map(BigInt)) };
}

export function readBatch(folder: string, inputs: readonly string[]): Batch {
  const batch = json(join(folder, 'batch.json')) as Record<string, (number | number[])[]>;
  const labels = intTensor(batch.shift_labels ?? batch.labels ?? []);
  return { inputs: Object.fromEntries(inputs.map((name) => [name, intTensor(batch[name] ?? [])])), labels };
}

export function readTensors(path: string): NamedTensor[] {
  const file = openSafetensors(path);
  const tensors = file.entries.map(({ name, shape }) => ({ name, shape, data: file.readFloat32(name) }));
  file.close();
  return tensors;
}

/** `in x out, columns 64..96 of a merged weight` */
function firstOutput(layout: string): { firstOutput?: number } {
  const columns = /columns (\d+)\.\./.exec(layout);
  return columns === null ? {} : { firstOutput: Number(columns[1]) };
}

function loraSites(meta: Meta, weights: Weights): LoraSite[] {
  return Object.entries(meta.adapted_modules).map(([name, size]) => {
    const weight = weights[name];
    return {
      rank: meta.peft.r,
      scale: meta.peft.scaling,
      module: {
        name,
        ...size,
        weight: {
          initializer: weight?.initializer ?? '',
          layout: weight?.layout.startsWith('out x in') === true ? 'out_in' : 'in_out',
          ...firstOutput(weight?.layout ?? ''),
        },
      },
    };
  });
}

/** Where the modules that an adapter trains in full lie: by comparing the checkpoint's numbers with the initializers. */
function denseModules(folder: string, file: string, adapter: readonly NamedTensor[]): DenseModule[] {
  const checkpoint = new Map(
    readTensors(join(folder, 'checkpoint/model.safetensors')).map((t) => [t.name, t]),
  );
  const { initializers } = normalizeModel(loadModel(folder, file), folder).graph;
  return adapter.flatMap(({ name, shape }): DenseModule[] => {
    const plain = name.replace(/^base_model\.model\./, '');
    const reference = checkpoint.get(plain);
    if (reference === undefined) return [];
    const dot = plain.lastIndexOf('.');
    for (const [initializer, value] of initializers) {
      if (value.type !== 'float' || value.dims.reduce((a, b) => a * b, 1) !== reference.data.length) continue;
      const numbers = tensorNumbers(value, folder);
      const [rows = 1, columns = 1] = shape;
      const turned = (i: number): number => (i % rows) * columns + Math.floor(i / rows);
      const straight = numbers.every((number, i) => number === reference.data[i]);
      const transposed =
        shape.length === 2 && numbers.every((number, i) => number === reference.data[turned(i)]);
      if (!straight && !transposed) continue;
      const tensor = { parameter: plain.slice(dot + 1), initializer, shape, transposed: !straight };
      return [{ name: plain.slice(0, dot), tensors: [tensor] }];
    }
    return [];
  });
}

const ADAMW: OptimizerSpec = {
  kind: 'adamw',
  learningRate: 1e-2,
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  weightDecay: 0.01,
};
const SGD: OptimizerSpec = { kind: 'sgd', learningRate: 0.1, momentum: 0, weightDecay: 0 };

/** Largest difference relative to the reference's largest entry. */
function relative(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let [worst, scale] = [actual.length === expected.length ? 0 : Infinity, 0];
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs((actual[i] ?? NaN) - (expected[i] ?? NaN));
    worst = difference <= worst ? worst : difference;
    scale = Math.max(scale, Math.abs(expected[i] ?? 0));
  }
  return worst / scale;
}

const row = (check: string, error: number, tolerance: number): GoldenCheck => ({
  check,
  error,
  tolerance,
  ok: error <= tolerance,
});

/** What a session needs to train an ONNX file of a golden folder. */
export function goldenOptions(folder: string, file: string, adapter: Adapter): SessionOptions {
  const meta = readMeta(folder);
  const tensors = readTensors(join(folder, adapter, 'adapter_model.safetensors'));
  return {
    folder,
    file,
    lora: loraSites(meta, meta.onnx[file]?.adapted_weights ?? {}),
    dense: adapter === 'lora' ? [] : denseModules(folder, file, tensors),
    threads: 1,
  };
}

type Trains = Trainer | TrainSession;

/** Runs every check of one ONNX file with one adapter; `open` says how it is trained, by default in this thread. */
export async function checkGolden(
  golden: string,
  adapter: Adapter,
  options: SessionOptions,
  inputs: readonly string[],
  open: (options: SessionOptions) => Promise<Trains> = (given) => Trainer.open(given),
): Promise<GoldenCheck[]> {
  const head = adapter === 'lora-head';
  const expected = new Map(
    readTensors(join(golden, head ? 'expected-head.safetensors' : 'expected.safetensors')).map((t) => [
      t.name,
      t,
    ]),
  );
  const scalars = json(join(golden, 'expected.json')) as Losses & { readonly head?: Losses };
  const losses = head ? scalars.head : scalars;
  const start = readTensors(join(golden, adapter, 'adapter_model.safetensors'));
  const batch = readBatch(golden, inputs);
  const want = (name: string): ArrayLike<number> => expected.get(name)?.data ?? [NaN];
  const rows: GoldenCheck[] = [];

  const trainer = await open(options);
  try {
    if (!head) {
      await trainer.load(
        start.map((t) => (t.name.includes('lora_B') ? { ...t, data: new Float32Array(t.data.length) } : t)),
      );
      rows.push(
        row('logits.base', relative((await trainer.evaluate(batch)).logits.data, want('logits.base')), 2e-5),
      );
    }
    await trainer.load(start);
    const evaluated = await trainer.evaluate(batch);
    rows.push(row('logits.lora', relative(evaluated.logits.data, want('logits.lora')), 2e-5));
    rows.push(
      row('loss.forward', Math.abs(evaluated.lossSum / evaluated.count - (losses?.loss_lora ?? NaN)), 1e-5),
    );
    const { loss, gradients } = await trainer.gradients(batch);
    rows.push(row('loss', Math.abs(loss - (losses?.loss_lora ?? NaN)), 1e-5));
    for (const { name, data } of gradients)
      rows.push(row(`grad.${name}`, relative(data, want(`grad.${name}`)), 2e-5));

    for (const [kind, spec] of [
      ['sgd', SGD],
      ['adamw', ADAMW],
    ] as const) {
      await trainer.load(start);
      await trainer.resetOptimizer(spec);
      for (let step = 0; step < 3; step++) {
        const result = await trainer.step([batch]);
        rows.push(
          row(`${kind}.loss${step}`, Math.abs(result.loss - (losses?.[kind].losses[step] ?? NaN)), 1e-5),
        );
      }
      const steps = await trainer.read();
      if (kind === 'sgd')
        for (const { name, data } of steps)
          rows.push(row(`sgd.${name}`, relative(data, want(`sgd.step3.${name}`)), 2e-5));
      else rows.push(...adamWRows(steps, want));
    }
  } finally {
    await trainer.close();
  }
  return rows;
}

/**
 * AdamW divides by the gradient's size: entries with a reference gradient below 1e-4 may differ by 3e-2, and at most 2 % of all entries
 * may need that; the others by 1e-4. Exact zeros stay exact.
 */
function adamWRows(steps: readonly NamedTensor[], want: (name: string) => ArrayLike<number>): GoldenCheck[] {
  let [loose, all, wrongZeros] = [0, 0, 0];
  const rows = steps.flatMap(({ name, data }) => {
    const reference = want(`adamw.step3.${name}`);
    const gradient = want(`grad.${name}`);
    let [worst, worstLoose] = [0, 0];
    data.forEach((value, i) => {
      const difference = Math.abs(value - (reference[i] ?? NaN));
      all++;
      if (reference[i] === 0 && value !== 0) wrongZeros++;
      if (Math.abs(gradient[i] ?? NaN) < 1e-4) {
        worstLoose = Math.max(worstLoose, difference);
        if (!(difference <= 1e-4)) loose++;
      } else worst = difference <= worst ? worst : difference;
    });
    return [row(`adamw.${name}`, worst, 1e-4), row(`adamw.small.${name}`, worstLoose, 3e-2)];
  });
  return [...rows, row('adamw.loose entries', loose / all, 0.02), row('adamw.zeros changed', wrongZeros, 0)];
}

export function goldenInputs(folder: string, file: string): readonly string[] {
  return readMeta(folder).onnx[file]?.inputs ?? [];
}
