import { describe, expect, it } from 'vitest';
import { scrambleBasis } from '../../../src/client/training/scramble-basis.js';
import { Random } from '../../../src/random.js';
import type { NamedTensor } from '../../../src/tensor/tensor.js';

const R = 4;
const IN = 24;
const OUT = 16;

function tensor(name: string, shape: readonly number[]): NamedTensor {
  const random = Random.of(name);
  const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.normal());
  return { name, shape, data };
}

const module = (name: string): NamedTensor[] => [
  tensor(`base_model.model.${name}.lora_A.weight`, [R, IN]),
  tensor(`base_model.model.${name}.lora_B.weight`, [OUT, R]),
];

/** B · A in float64. */
function product(a: Float32Array, b: Float32Array): Float64Array {
  const out = new Float64Array(OUT * IN);
  for (let o = 0; o < OUT; o++)
    for (let i = 0; i < IN; i++)
      for (let k = 0; k < R; k++) out[o * IN + i]! += b[o * R + k]! * a[k * IN + i]!;
  return out;
}

describe('scrambleBasis', () => {
  const tensors = [
    ...module('l.0.query'),
    ...module('l.1.query'),
    tensor('base_model.model.classifier.weight', [2, 3]),
  ];
  const scrambled = scrambleBasis(tensors, 1, 'silo', 2);
  const data = (from: readonly NamedTensor[], at: number): Float32Array => from[at]!.data;

  it('leaves every product as it was, and no factor', () => {
    for (const at of [0, 2]) {
      const before = product(data(tensors, at), data(tensors, at + 1));
      const after = product(data(scrambled, at), data(scrambled, at + 1));
      const largest = Math.max(...before.map(Math.abs));
      before.forEach((value, index) => {
        expect(Math.abs(value - after[index]!)).toBeLessThan(2e-6 * largest);
      });
      const moved = data(tensors, at).reduce(
        (sum, value, index) => sum + Math.abs(value - data(scrambled, at)[index]!),
        0,
      );
      expect(moved / data(tensors, at).length).toBeGreaterThan(0.1);
    }
  });

  it('leaves heads alone', () => {
    expect(scrambled[4]).toEqual(tensors[4]);
  });

  it('draws by seed and module', () => {
    expect(scrambleBasis(tensors, 1, 'silo', 2)).toEqual(scrambled);
    expect(scrambleBasis(tensors, 1, 'silo', 3)[0]!.data).not.toEqual(scrambled[0]!.data);
    const same = [
      ...module('l.0.query'),
      ...module('l.0.query').map((each) => ({ ...each, name: each.name.replace('l.0', 'l.1') })),
    ];
    const rotated = scrambleBasis(same, 1);
    expect(rotated[0]!.data).not.toEqual(rotated[2]!.data);
  });
});
