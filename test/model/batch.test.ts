import { describe, expect, it } from 'vitest';
import { makeInputs, paddedLength } from '../../src/model/batch.js';

const rows = [
  { ids: [5, 6, 7], typeIds: [0, 0, 1] },
  { ids: [8], typeIds: [0] },
];

describe('makeInputs', () => {
  it('pads on the right and masks the padding', () => {
    const made = makeInputs(rows, {
      inputs: ['input_ids', 'attention_mask', 'token_type_ids'],
      padId: 1,
      multipleOf: 4,
    });
    expect(made).toEqual({
      input_ids: { dims: [2, 4], data: BigInt64Array.of(5n, 6n, 7n, 1n, 8n, 1n, 1n, 1n) },
      attention_mask: { dims: [2, 4], data: BigInt64Array.of(1n, 1n, 1n, 0n, 1n, 0n, 0n, 0n) },
      token_type_ids: { dims: [2, 4], data: BigInt64Array.of(0n, 0n, 1n, 0n, 0n, 0n, 0n, 0n) },
    });
  });

  it('makes only what the model takes', () => {
    expect(Object.keys(makeInputs(rows, { inputs: ['input_ids'], padId: 0 }))).toEqual(['input_ids']);
  });

  it('refuses an empty batch and an unknown input', () => {
    expect(() => makeInputs([], { inputs: ['input_ids'], padId: 0 })).toThrow(/at least one example/);
    expect(() => makeInputs(rows, { inputs: ['pixel_values'], padId: 0 })).toThrow(/pixel_values/);
  });
});

describe('paddedLength', () => {
  it.each([
    [1, 8, 128, 8],
    [8, 8, 128, 8],
    [9, 8, 128, 16],
    [125, 8, 126, 126],
    [126, 8, 126, 126],
    [5, 1, 128, 5],
  ])('%i tokens, multiple of %i, at most %i', (longest, multipleOf, maxTokens, expected) => {
    expect(paddedLength(longest, multipleOf, maxTokens)).toBe(expected);
  });
});
