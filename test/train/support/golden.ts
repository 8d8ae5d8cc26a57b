import { readFileSync } from 'node:fs';
import { join } from 'node:path';
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
import {
  checkGolden as compare,
  type GoldenCheck,
  type GoldenLosses,
} from '../../../scripts/goldens/checks.mjs';

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
  const scalars = json(join(golden, 'expected.json')) as GoldenLosses & { readonly head?: GoldenLosses };
  const losses = (head ? scalars.head : scalars) ?? scalars;
  const start = readTensors(join(golden, adapter, 'adapter_model.safetensors'));
  const trainer = await open(options);
  try {
    const batch = readBatch(golden, inputs);
    return await compare(trainer, { start, batch, expected, losses, base: !head });
  } finally {
    await trainer.close();
  }
}

export function goldenInputs(folder: string, file: string): readonly string[] {
  return readMeta(folder).onnx[file]?.inputs ?? [];
}
