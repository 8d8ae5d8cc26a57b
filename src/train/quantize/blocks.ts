import { FedrotError } from '../../errors.js';

export type QuantizationBits = 4 | 8;

export interface QuantizationSpec {
  readonly bits: QuantizationBits;
  /** How many neighbours along the input share a scale. */
  readonly block: 32 | 64 | 128;
}

/** A matrix out × in in blocks, as com.microsoft.MatMulNBits reads it. */
export interface QuantizedMatrix {
  /** [out, blocks, block · bits / 8]; two 4-bit numbers a byte, the first in the lower half. */
  readonly blob: Uint8Array;
  /** [out · blocks] */
  readonly scales: Float32Array;
  readonly blocks: number;
}

/** The number that stands for zero: 2^(bits − 1), MatMulNBits' default where it is given no zero points. */
function zeroPoint(bits: QuantizationBits): number {
  return 1 << (bits - 1);
}

/**
 * Rounds to the nearest of 2^bits levels, symmetric about zero: the entry of the largest size becomes −2^(bits − 1), so a block's scale is that
 * entry divided by −2^(bits − 1). Rows are padded with zeros to whole blocks. `at(o, i)` is the entry of row o (output) and column
 * i (input). Throws tensor_not_finite.
 */
export function quantizeMatrix(
  at: (output: number, input: number) => number,
  { out, in: inputs }: { readonly out: number; readonly in: number },
  { bits, block }: QuantizationSpec,
): QuantizedMatrix {
  const blocks = Math.ceil(inputs / block);
  const bytes = (block * bits) / 8;
  const zero = zeroPoint(bits);
  const top = 2 * zero - 1;
  const blob = new Uint8Array(out * blocks * bytes);
  const scales = new Float32Array(out * blocks);
  for (let o = 0; o < out; o++)
    for (let b = 0; b < blocks; b++) {
      const [from, to] = [b * block, Math.min((b + 1) * block, inputs)];
      let extreme = 0;
      for (let i = from; i < to; i++) {
        const value = at(o, i);
        if (!Number.isFinite(value))
          throw new FedrotError(
            'tensor_not_finite',
            `entry [${o}, ${i}] of a weight to quantize is ${value}`,
          );
        if (Math.abs(value) > Math.abs(extreme)) extreme = value;
      }
      const scale = extreme === 0 ? 0 : Math.fround(extreme / -zero);
      scales[o * blocks + b] = scale;
      for (let k = 0; k < block; k++) {
        const i = from + k;
        const level = scale === 0 || i >= to ? zero : Math.round(at(o, i) / scale) + zero;
        const number = Math.min(Math.max(level, 0), top);
        const index = (o * blocks + b) * block + k;
        if (bits === 8) blob[index] = number;
        else blob[index >> 1]! |= number << ((index & 1) * 4);
      }
    }
  return { blob, scales, blocks };
}

/** What a quantized matrix stands for, out × in. */
export function dequantizeMatrix(
  { blob, scales, blocks }: QuantizedMatrix,
  { out, in: inputs }: { readonly out: number; readonly in: number },
  { bits, block }: QuantizationSpec,
): Float32Array {
  const result = new Float32Array(out * inputs);
  for (let o = 0; o < out; o++)
    for (let i = 0; i < inputs; i++) {
      const index = o * blocks * block + i;
      const level = bits === 8 ? blob[index]! : (blob[index >> 1]! >> ((index & 1) * 4)) & 15;
      result[o * inputs + i] = (level - zeroPoint(bits)) * scales[o * blocks + Math.floor(i / block)]!;
    }
  return result;
}
