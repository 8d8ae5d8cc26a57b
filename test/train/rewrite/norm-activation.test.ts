import { describe, expect, it } from 'vitest';
import { float, int, string } from '../../../src/train/ir/attributes.js';
import { rewriteModel } from '../../../src/train/rewrite/rewrite.js';
import { probeTypes } from '../../../src/train/shapes/probe.js';
import { checkRewrite, singleNode, type Operand } from './support.js';

const domain = 'com.microsoft';
const x = { dims: [2, 5, 6] };
const vector: Operand = { dims: [6], fixed: true };

describe('norms', () => {
  const attributes = { epsilon: float(1e-3) };

  it('SkipLayerNormalization', async () => {
    const op = 'SkipLayerNormalization';
    await checkRewrite({ op, domain, attributes, inputs: [x, x, vector] });
    await checkRewrite({ op, domain, attributes, inputs: [x, x, vector, vector], outputs: [0, 3] });
    await checkRewrite({ op, domain, attributes, inputs: [x, x, vector, vector, vector], outputs: [0, 3] });
    await checkRewrite({ op, domain, inputs: [x, { dims: [1, 5, 6] }, vector, vector] });
  });

  it('SkipSimplifiedLayerNormalization', async () => {
    const op = 'SkipSimplifiedLayerNormalization';
    await checkRewrite({ op, domain, attributes, inputs: [x, x, vector], outputs: [0, 3] });
    await checkRewrite({ op, domain, attributes, inputs: [x, x, vector, vector], outputs: [0, 3] });
  });

  it('EmbedLayerNormalization', async () => {
    const op = 'EmbedLayerNormalization';
    const ids = (limit: number): Operand => ({
      dims: [2, 5],
      type: 'int32',
      data: Array.from({ length: 10 }, (_, i) => (i * 7) % limit),
    });
    const table = (rows: number): Operand => ({ dims: [rows, 6], fixed: true });
    const ones: Operand = { dims: [2, 5], type: 'int32', data: [1, 1, 1, 0, 0, 1, 1, 1, 1, 0] };
    const both = { outputs: [0, 1], outputTypes: { 1: 'int32' as const } };
    const inputs = [ids(13), ids(2), table(13), table(9), table(2), vector, vector];
    await checkRewrite({
      op,
      domain,
      attributes,
      inputs: [...inputs, ones],
      ...both,
    });
    await checkRewrite({ op, domain, attributes, inputs: [...inputs, undefined, ids(9)], ...both });
    await checkRewrite({
      op,
      domain,
      attributes,
      ...both,
      inputs: [ids(13), undefined, table(13), table(9), undefined, vector, vector],
    });
  });
});

describe('activations', () => {
  it('BiasGelu, FastGelu, QuickGelu', async () => {
    await checkRewrite({ op: 'BiasGelu', domain, inputs: [x, vector] });
    await checkRewrite({ op: 'FastGelu', domain, inputs: [x] });
    await checkRewrite({ op: 'FastGelu', domain, inputs: [x, vector] });
    await checkRewrite({ op: 'QuickGelu', domain, inputs: [x] });
    await checkRewrite({ op: 'QuickGelu', domain, attributes: { alpha: float(1) }, inputs: [x] });
  });
});

describe('FusedGemm', () => {
  it.each(['Relu', 'Tanh', 'Sigmoid', 'LeakyRelu'])('with %s', async (activation) => {
    const attributes = {
      activation: string(activation),
      transB: int(1),
      alpha: float(0.5),
      ...(activation === 'LeakyRelu' ? { activation_alpha: float(0.2) } : {}),
    };
    const [a, b]: Operand[] = [{ dims: [5, 6] }, { dims: [4, 6], fixed: true }];
    await checkRewrite({ op: 'FusedGemm', domain, attributes, inputs: [a, b, { dims: [4], fixed: true }] });
    await checkRewrite({ op: 'FusedGemm', domain, attributes, inputs: [a, b] });
  });
});

describe('forms that are not covered', () => {
  const refused = async (test: Parameters<typeof singleNode>[0], why: RegExp): Promise<void> => {
    const { model } = singleNode(test);
    const types = await probeTypes(model);
    expect(() => rewriteModel(model, types)).toThrow(why);
  };

  it('are refused by name', async () => {
    const [q, mask]: Operand[] = [{ dims: [2, 4, 5, 6] }, { dims: [2, 4, 5, 6] }];
    await refused(
      { op: 'Attention', opset: 23, inputs: [q, mask, mask], outputs: [0, 3] },
      /Attention node "y0" \(opset 23 of ai\.onnx, version 23\): the scores as an output/,
    );
    await refused(
      {
        op: 'MultiHeadAttention',
        domain,
        attributes: { num_heads: int(3) },
        inputs: [x, x, x, undefined, { dims: [8], type: 'int32' as const, data: [0, 1, 2, 3, 4, 5, 6, 7] }],
      },
      /com.microsoft::MultiHeadAttention node "y0" \(opset 18 of ai\.onnx, version 1\): a mask of shape/,
    );
  });
});
