/**
 * binary32 ⇄ binary16 (f16) and bfloat16 (bf16), rounding to nearest, ties to even (IEEE 754-2019, 4.3.1). Subnormals,
 * signed zeros and infinities are exact; a NaN stays a (quiet) NaN with its sign and upper payload bits; what is too large
 * becomes infinity, which is for the caller to notice.
 */

const bitsOf = (values: Float32Array): Uint32Array =>
  new Uint32Array(values.buffer, values.byteOffset, values.length);

/** By the upper 9 bits of a binary32 (sign, exponent): what the f16 begins with, the implicit bit, how far the mantissa shifts. */
interface EncodeTables {
  readonly base: Uint16Array;
  readonly implicit: Uint32Array;
  readonly shift: Uint8Array;
}

const encodeTables: EncodeTables = (() => {
  const base = new Uint16Array(512);
  const implicit = new Uint32Array(512);
  const shift = new Uint8Array(512).fill(31); // shifts every mantissa to 0
  for (let signExponent = 0; signExponent < 512; signExponent++) {
    const sign = (signExponent & 0x100) << 7;
    const exponent = signExponent & 0xff;
    base[signExponent] = sign;
    if (exponent > 142) {
      base[signExponent] = sign | 0x7c00; // at least 2¹⁶, or infinity
    } else if (exponent >= 113) {
      base[signExponent] = sign | ((exponent - 112) << 10);
      shift[signExponent] = 13;
    } else if (exponent >= 102) {
      implicit[signExponent] = 0x800000; // subnormal in f16; below 2⁻²⁵ all is zero
      shift[signExponent] = 126 - exponent;
    }
  }
  return { base, implicit, shift };
})();

/** f16 bit patterns of the values. `target` has the same length. */
export function encodeF16(values: Float32Array, target = new Uint16Array(values.length)): Uint16Array {
  const { base, implicit, shift } = encodeTables;
  const bits = bitsOf(values);
  for (let i = 0; i < bits.length; i++) {
    const x = bits[i]!;
    const row = x >>> 23;
    const by = shift[row]!;
    let mantissa = x & 0x7fffff;
    if ((row & 0xff) === 0xff && mantissa !== 0) {
      target[i] = ((x >>> 16) & 0x8000) | 0x7e00 | (mantissa >>> 13);
      continue;
    }
    mantissa |= implicit[row]!;
    const odd = (mantissa >>> by) & 1;
    // A carry out of the mantissa raises the exponent, up to infinity: as rounding must.
    target[i] = base[row]! + ((mantissa + ((1 << (by - 1)) >>> 0) - 1 + odd) >>> by);
  }
  return target;
}

let decodeTable: Uint32Array | undefined;

function f16DecodeTable(): Uint32Array {
  if (decodeTable) return decodeTable;
  const table = new Uint32Array(65_536);
  for (let half = 0; half < 65_536; half++) {
    const sign = (half & 0x8000) << 16;
    const exponent = (half >>> 10) & 0x1f;
    let mantissa = half & 0x3ff;
    let bits: number;
    if (exponent === 31) bits = 0x7f800000 | (mantissa << 13) | (mantissa === 0 ? 0 : 0x400000);
    else if (exponent !== 0) bits = ((exponent + 112) << 23) | (mantissa << 13);
    else if (mantissa === 0) bits = 0;
    else {
      let normalised = 113;
      while ((mantissa & 0x400) === 0) {
        mantissa <<= 1;
        normalised--;
      }
      bits = (normalised << 23) | ((mantissa & 0x3ff) << 13);
    }
    table[half] = sign | bits;
  }
  decodeTable = table;
  return table;
}

/** The values of f16 bit patterns. `target` has the same length. */
export function decodeF16(halves: Uint16Array, target = new Float32Array(halves.length)): Float32Array {
  const table = f16DecodeTable();
  const bits = bitsOf(target);
  for (let i = 0; i < halves.length; i++) bits[i] = table[halves[i]!]!;
  return target;
}

/** bf16 bit patterns of the values. `target` has the same length. */
export function encodeBF16(values: Float32Array, target = new Uint16Array(values.length)): Uint16Array {
  const bits = bitsOf(values);
  for (let i = 0; i < bits.length; i++) {
    const x = bits[i]!;
    const isNaN = (x & 0x7fffffff) > 0x7f800000;
    target[i] = isNaN ? (x >>> 16) | 0x40 : (x + 0x7fff + ((x >>> 16) & 1)) >>> 16;
  }
  return target;
}

/** The values of bf16 bit patterns. `target` has the same length. */
export function decodeBF16(halves: Uint16Array, target = new Float32Array(halves.length)): Float32Array {
  const bits = bitsOf(target);
  for (let i = 0; i < halves.length; i++) bits[i] = halves[i]! << 16;
  return target;
}
