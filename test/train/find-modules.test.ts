import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { int, ints } from '../../src/train/ir/attributes.js';
import { GraphBuilder } from '../../src/train/ir/builder.js';
import { loadModel } from '../../src/train/ir/files.js';
import type { Model } from '../../src/train/ir/graph.js';
import { normalizeModel } from '../../src/train/ir/normalize.js';
import { floatTensor } from '../../src/train/ir/tensor-value.js';
import { asDense, findModules } from '../../src/train/find-modules.js';
import type { ReferenceWeights } from '../../src/train/match-weights.js';
import { readMeta, readTensors } from './support/golden.js';
import { sizeOf, uniform } from './support/random.js';
import { goldenNote, goldenTrain, hasGolden } from './support/shared.js';

const numbers = (seed: number, dims: readonly number[]): Float32Array =>
  Float32Array.from(uniform(seed, sizeOf(dims)));

function referenceOf(tensors: Record<string, readonly [readonly number[], Float32Array]>): ReferenceWeights {
  return {
    names: Object.keys(tensors),
    shape: (name) => tensors[name]?.[0] ?? [],
    read: (name) => tensors[name]?.[1] ?? new Float32Array(),
  };
}

/** x · w for every weight, and whatever `more` adds. */
function modelOf(more: (builder: GraphBuilder) => void): Model {
  const builder = new GraphBuilder({ opset: 17 });
  builder.input('x', 'float', ['rows', 4]);
  more(builder);
  return builder.build();
}

it("finds ONNX Runtime's FusedGemm, with its bias, either way round", () => {
  const model = modelOf((builder) => {
    for (const [name, dims, transB] of [
      ['pooler', [6, 4], 1],
      ['head', [4, 6], 0],
    ] as const) {
      const weight = builder.initializer(`${name}.weight`, floatTensor(dims, numbers(1, dims)));
      const bias = builder.initializer(`${name}.bias`, floatTensor([6], numbers(2, [6])));
      builder.op('com.microsoft::FusedGemm', ['x', weight, bias], {
        transB: int(transB),
        activation: { kind: 'string', value: 'Tanh' },
      });
    }
  });
  const size = { in: 4, out: 6 };
  expect(findModules(model)).toMatchObject([
    { ...size, name: 'pooler', weight: { layout: 'out_in' }, bias: 'pooler.bias' },
    { ...size, name: 'head', weight: { layout: 'in_out' }, bias: 'head.bias' },
  ]);
});

describe('names', () => {
  const weight = (builder: GraphBuilder, name: string, dims: readonly number[] = [4, 6]): string =>
    builder.initializer(name, floatTensor(dims, numbers(name.length, dims)));
  const names = (model: Model): (readonly [string, string])[] =>
    findModules(model).map(({ name, namedBy }) => [name, namedBy] as const);

  it('come from initializers, whatever tools put behind them', () => {
    const model = modelOf((builder) => {
      builder.op('MatMul', ['x', weight(builder, 'model.layers.0.attn.q_proj.MatMul.weight')]);
      builder.op('MatMul', ['x', weight(builder, 'h.0.c_attn.weight')]);
      builder.op('Gemm', ['x', weight(builder, 'classifier.weight', [6, 4])], { transB: int(1) });
    });
    expect(names(model)).toEqual([
      ['model.layers.0.attn.q_proj', 'initializer'],
      ['h.0.c_attn', 'initializer'],
      ['classifier', 'initializer'],
    ]);
    expect(findModules(model).map(({ in: i, out, weight: { layout } }) => [i, out, layout])).toEqual([
      [4, 6, 'in_out'],
      [4, 6, 'in_out'],
      [4, 6, 'out_in'],
    ]);
  });

  it('come from node metadata, biases and scopes where the weight has no name of its own', () => {
    const scopes = "['', 'bert', 'bert.layer.0', 'bert.layer.0.query', 'linear']";
    const model = modelOf((builder) => {
      builder.append({
        op: 'MatMul',
        domain: '',
        name: 'node_linear',
        inputs: ['x', weight(builder, 'val_60')],
        outputs: ['linear'],
        attributes: {},
        metadata: { 'pkg.torch.onnx.name_scopes': scopes },
      });
      const product = builder.op('MatMul', ['x', weight(builder, 'val_76')]);
      builder.op('Add', [
        product,
        builder.initializer('bert.layer.0.value.bias', floatTensor([6], numbers(1, [6]))),
      ]);
      builder.append({
        op: 'MatMul',
        domain: '',
        name: '/bert/layer.0/attention/self/key/MatMul',
        inputs: ['x', weight(builder, 'onnx::MatMul_388')],
        outputs: ['/bert/layer.0/attention/self/key/MatMul_output_0'],
        attributes: {},
      });
      builder.op('MatMul', ['x', weight(builder, 'onnx::MatMul_390')]);
    });
    expect(names(model)).toEqual([
      ['bert.layer.0.query', 'metadata'],
      ['bert.layer.0.value', 'bias'],
      ['bert.layer.0.attention.self.key', 'scope'],
      ['onnx_MatMul_390', 'made up'],
    ]);
    const [, value] = findModules(model);
    expect(value?.bias).toBe('bert.layer.0.value.bias');
    expect(value === undefined ? undefined : asDense(value)).toEqual({
      name: 'bert.layer.0.value',
      tensors: [
        { parameter: 'weight', initializer: 'val_76', shape: [6, 4], transposed: true },
        { parameter: 'bias', initializer: 'bert.layer.0.value.bias', shape: [6], transposed: false },
      ],
    });
  });

  it('of queries, keys and values that lie side by side', () => {
    const model = modelOf((builder) => {
      builder.op(
        'com.microsoft::Attention',
        ['x', weight(builder, 'Attention_0_qkv_weight', [4, 12])],
        {
          num_heads: int(2),
          qkv_hidden_sizes: ints([2, 2, 8]),
        },
        '/bert/layer.0/self/Reshape_3_output_0',
      );
    });
    expect(findModules(model).map(({ name, out, weight: w }) => [name, out, w.firstOutput])).toEqual([
      ['bert.layer.0.self.query', 2, 0],
      ['bert.layer.0.self.key', 2, 2],
      ['bert.layer.0.self.value', 8, 4],
    ]);
  });

  it('come from a checkpoint by comparing numbers, blocks of a merged weight too', () => {
    const [q, k] = [numbers(1, [3, 4]), numbers(2, [2, 4])];
    const merged = new Float32Array(4 * 5);
    for (let i = 0; i < 4; i++) {
      for (let o = 0; o < 3; o++) merged[i * 5 + o] = q[o * 4 + i] ?? NaN;
      for (let o = 0; o < 2; o++) merged[i * 5 + 3 + o] = k[o * 4 + i] ?? NaN;
    }
    const conv = numbers(3, [4, 6]);
    const model = modelOf((builder) => {
      builder.op('MatMul', ['x', builder.initializer('qkv', floatTensor([4, 5], merged))]);
      builder.op('MatMul', ['x', builder.initializer('other', floatTensor([4, 6], conv))]);
    });
    const reference = referenceOf({
      'a.q.weight': [[3, 4], q],
      'a.k.weight': [[2, 4], k],
      'a.c.weight': [[4, 6], conv],
      'a.unused.weight': [[4, 6], numbers(4, [4, 6])],
    });
    const found = findModules(model, { reference });
    expect(
      found.map(({ name, in: i, out, weight: w, namedBy }) => [name, i, out, w.firstOutput, namedBy]),
    ).toEqual([
      ['a.q', 4, 3, 0, 'values'],
      ['a.k', 4, 2, 3, 'values'],
      ['a.c', 4, 6, undefined, 'values'],
    ]);
  });
});

describe('names of an export that wraps the model', () => {
  const WRAPPER = 'inner.';

  /** Linear layers with weights of their own, noted by the dynamo exporter as modules of these names, and their checkpoint's names. */
  function named(modules: Record<string, string | undefined>): string[] {
    const tensors: Record<string, readonly [readonly number[], Float32Array]> = {};
    const model = modelOf((builder) => {
      for (const [i, [graph, checkpoint]] of Object.entries(modules).entries()) {
        const values = numbers(50 + i, [6, 4]);
        if (checkpoint !== undefined) tensors[`${checkpoint}.weight`] = [[6, 4], values];
        builder.append({
          op: 'Gemm',
          domain: '',
          name: `node_${i}`,
          inputs: ['x', builder.initializer(`val_${i}`, floatTensor([6, 4], values))],
          outputs: [`y_${i}`],
          attributes: { transB: int(1) },
          metadata: { 'pkg.torch.onnx.name_scopes': `['', '${WRAPPER}${graph}', 'linear']` },
        });
      }
    });
    return findModules(model, { reference: referenceOf(tensors) }).map(({ name }) => name);
  }

  it("are the model's: the wrapper goes where the checkpoint shows it", () => {
    const names = named({ 'bert.pooler': 'bert.pooler', 'bert.0.q_proj': undefined });
    expect(names).toEqual(['bert.pooler', 'bert.0.q_proj']);
  });

  it("are the exported model's where its checkpoint calls modules otherwise", () => {
    const names = named({ 'bert.pooler': 'bert.pooler', 'bert.0.attn.o_proj': 'bert.encoder.0.out_proj' });
    expect(names).toEqual(['bert.pooler', 'bert.0.attn.o_proj']);
  });

  it("are the checkpoint's where the exporter left a container out, noted the module around, or counted calls", () => {
    const names = named({
      'bert.pooler': 'bert.pooler',
      'bert.en.dense': 'bert.adapters.en.dense',
      'bert.mlp': 'bert.mlp.up',
      'bert.0.query_proj_1': 'bert.0.query_proj',
    });
    expect(names).toEqual(['bert.pooler', 'bert.adapters.en.dense', 'bert.mlp.up', 'bert.0.query_proj']);
  });

  it("are the checkpoint's where no name of both agrees", () => {
    expect(named({ 'x.q': 'bert.query', 'x.k': undefined })).toEqual(['bert.query', 'inner.x.k']);
  });
});

it("takes a module's name from before the product, whatever ONNX Runtime put behind it", () => {
  const model = modelOf((builder) => {
    const weight = builder.initializer('onnx::MatMul_9', floatTensor([4, 6], numbers(1, [4, 6])));
    builder.append({
      op: 'FusedMatMul',
      domain: 'com.microsoft',
      name: '/lm_head/MatMul/MatMulScaleFusion/',
      inputs: ['x', weight],
      outputs: ['y'],
      attributes: {},
    });
  });
  expect(findModules(model).map(({ name }) => name)).toEqual(['lm_head']);
});

const FOLDERS = ['bert', 'roberta', 'distilbert', 'gpt2', 'llama', 'qwen2', 'qwen3', 'mistral'];
const FILES = [
  'model.onnx',
  'model-legacy.onnx',
  'model-op23.onnx',
  'model-ort.onnx',
  'model-ort-fused.onnx',
];

describe.skipIf(!hasGolden)(`golden exports${goldenNote}`, () => {
  for (const name of FOLDERS)
    for (const file of FILES.filter((each) => existsSync(join(goldenTrain, name, each)))) {
      const folder = join(goldenTrain, name);
      const model = normalizeModel(loadModel(folder, file), folder);
      const wanted = Object.entries(readMeta(folder).onnx[file]?.adapted_weights ?? {}).map(
        ([module, { initializer, layout }]) => {
          const first = /columns (\d+)\./.exec(layout)?.[1];
          return [module, initializer, first === undefined ? undefined : Number(first)] as const;
        },
      );

      it(`${name}/${file}: adapted weights by comparing with the checkpoint`, () => {
        const tensors = readTensors(join(folder, 'checkpoint/model.safetensors'));
        const reference = referenceOf(
          Object.fromEntries(
            tensors.map((t) => [t.name, [t.shape, Float32Array.from(t.data)] as const] as const),
          ),
        );
        const found = findModules(model, { folder, reference });
        const known = new Map(found.map((module) => [module.name, module.weight]));
        expect(wanted.length).toBeGreaterThan(0);
        expect(
          wanted.map(([module]) => [module, known.get(module)?.initializer, known.get(module)?.firstOutput]),
        ).toEqual(wanted);
      });

      // The dynamo exporter's metadata were taken out of the golden files, so weights without a bias have no name left.
      if (file === 'model-legacy.onnx' || ['bert', 'roberta', 'distilbert', 'gpt2', 'qwen2'].includes(name))
        it(`${name}/${file}: adapted weights by names in the graph`, () => {
          const known = new Map(findModules(model).map((module) => [module.name, module.weight]));
          expect(
            wanted.map(([module]) => [
              module,
              known.get(module)?.initializer,
              known.get(module)?.firstOutput,
            ]),
          ).toEqual(wanted);
        });
    }
});
