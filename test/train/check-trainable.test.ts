import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { graph, int } from '../../src/train/ir/attributes.js';
import { GraphBuilder } from '../../src/train/ir/builder.js';
import { loadModel } from '../../src/train/ir/files.js';
import type { Model } from '../../src/train/ir/graph.js';
import { normalizeModel } from '../../src/train/ir/normalize.js';
import { boolTensor, floatTensor } from '../../src/train/ir/tensor-value.js';
import { checkTrainable, findObstacles } from '../../src/train/check-trainable.js';
import { findModules } from '../../src/train/find-modules.js';
import { goldenNote, goldenTrain, hasGolden } from './support/shared.js';

/** logits = last(x · w), where `between` adds what stands between. */
function modelOf(between: (builder: GraphBuilder, product: string) => string, opset = 18): Model {
  const builder = new GraphBuilder({ opset });
  builder.input('x', 'float', ['rows', 4]);
  const product = builder.op('MatMul', [
    'x',
    builder.initializer('w', floatTensor([4, 4], new Float32Array(16))),
  ]);
  builder.op('Identity', [between(builder, product)], {}, 'logits');
  builder.output('logits', 'float', ['rows', 4]);
  return builder.build();
}

function branch(name: string): ReturnType<typeof graph> {
  const inner = new GraphBuilder({ name, opset: 18 }).graph();
  return graph({ ...inner, outputs: [{ name: 'MatMul', type: 'float', dims: [] }] });
}

describe('checkTrainable', () => {
  it('lets pass what has gradients, is written out, or ends them', () => {
    const model = modelOf((builder, product) => {
      const gelu = builder.op('com.microsoft::BiasGelu', [product, 'x']);
      const mask = builder.op('Greater', [gelu, builder.op('Shape', [gelu])]);
      // Not differentiable, but no trained value's gradient goes through it.
      const strange = builder.op('com.microsoft::Unknown', [builder.op('NonZero', [mask])]);
      return builder.op('Add', [gelu, builder.op('com.microsoft::Other', ['x', strange])]);
    });
    expect(findObstacles(model, ['w'])).toEqual([]);
    checkTrainable(model, ['w']);
  });

  it.each([
    ['MoE', 'com.microsoft', /MoE node "moe" \(opset 1 of com\.microsoft\): mixtures of experts/],
    ['LSTM', '', /LSTM node "moe" \(opset 18 of ai\.onnx\): recurrent/],
    ['Wavelet', '', /Wavelet node "moe" \(opset 18 of ai\.onnx\): no gradient is known/],
  ])('refuses %s, naming op, node and opset', (op, domain, message) => {
    const model = modelOf((builder, product) => {
      builder.append({ op, domain, name: 'moe', inputs: [product], outputs: ['out'], attributes: {} });
      return 'out';
    });
    expect(() => checkTrainable(model, ['w'])).toThrow(message);
    expect(() => checkTrainable(model, ['w'])).toThrow(expect.objectContaining({ code: 'op_unsupported' }));
  });

  it.each(['If', 'Loop', 'Scan'])('refuses %s where trained values go in, through its body too', (op) => {
    const model = modelOf((builder) => {
      const condition = builder.initializer('condition', boolTensor([], [true]));
      const attributes = { then_branch: branch('then'), else_branch: branch('else') };
      builder.append({ op, domain: '', name: 'flow', inputs: [condition], outputs: ['out'], attributes });
      return 'out';
    });
    expect(findObstacles(model, ['w'])).toEqual([
      expect.objectContaining({
        op,
        node: 'flow',
        opset: 18,
        message: expect.stringContaining('control flow') as string,
      }),
    ]);
    expect(findObstacles(model, [])).toEqual([]);
  });

  it('does not mind what the logits do not need', () => {
    const model = modelOf((builder, product) => {
      builder.op('com.microsoft::MoE', [product], { k: int(1) });
      return product;
    });
    expect(findObstacles(model, ['w'])).toEqual([]);
  });

  it('refuses opsets newer than what is known', () => {
    expect(() =>
      checkTrainable(
        modelOf((_, product) => product, 99),
        ['w'],
      ),
    ).toThrow(/opset 99.*up to opset/);
  });
});

describe.skipIf(!hasGolden)(`golden exports${goldenNote}`, () => {
  it.each(['bert', 'roberta', 'distilbert', 'gpt2', 'llama', 'qwen2', 'qwen3', 'mistral'])(
    '%s can be trained in every linear layer',
    (name) => {
      const folder = join(goldenTrain, name);
      for (const file of [
        'model.onnx',
        'model-legacy.onnx',
        'model-op23.onnx',
        'model-ort.onnx',
        'model-ort-fused.onnx',
      ])
        if (existsSync(join(folder, file))) {
          const model = normalizeModel(loadModel(folder, file), folder);
          const weights = findModules(model).map(({ weight }) => weight.initializer);
          expect(weights.length).toBeGreaterThan(4);
          expect(findObstacles(model, weights), file).toEqual([]);
        }
    },
  );
});
