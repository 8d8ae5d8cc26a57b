import { describe, expect, it } from 'vitest';
import { adapterLayout } from '../../src/align/layout.js';
import type { TensorInfo } from '../../src/tensor/tensor.js';
import { codeOf } from '../support/code-of.js';

const info = (name: string, shape: number[]): TensorInfo => ({ name, dtype: 'f32', shape });

describe('adapterLayout', () => {
  it('pairs factors by module and leaves the rest dense', () => {
    const { modules, dense } = adapterLayout([
      info('base_model.model.bert.layer.0.query.lora_A.weight', [4, 384]),
      info('base_model.model.bert.layer.0.query.lora_B.weight', [256, 4]),
      info('base_model.model.classifier.bias', [2]),
      info('base_model.model.classifier.weight', [2, 384]),
      info('other.lora_A.weight', [1, 3]),
      info('other.lora_B.weight', [2, 1]),
    ]);
    expect(modules.map(({ module, r, in: inputs, out }) => [module, r, inputs, out])).toEqual([
      ['bert.layer.0.query', 4, 384, 256],
      ['other', 1, 3, 2],
    ]);
    expect(modules[0]!.b).toBe('base_model.model.bert.layer.0.query.lora_B.weight');
    expect(dense.map(({ name }) => name)).toEqual([
      'base_model.model.classifier.bias',
      'base_model.model.classifier.weight',
    ]);
  });

  it.each<[string, TensorInfo[]]>([
    ['tensor_name', [info('m.lora_A.weight', [4, 8])]],
    ['tensor_name', [info('m.lora_B.weight', [8, 4])]],
    ['tensor_shape', [info('m.lora_A.weight', [4, 8]), info('m.lora_B.weight', [8, 3])]],
    ['tensor_shape', [info('m.lora_A.weight', [32]), info('m.lora_B.weight', [8, 4])]],
    ['tensor_shape', [info('m.lora_A.weight', [0, 8]), info('m.lora_B.weight', [8, 0])]],
    ['tensor_shape', [info('m.lora_A.weight', [4, 8, 1]), info('m.lora_B.weight', [8, 4])]],
  ])('%s', (code, tensors) => {
    expect(codeOf(() => adapterLayout(tensors))).toBe(code);
    expect(() => adapterLayout(tensors)).toThrow(/module m/);
  });
});
