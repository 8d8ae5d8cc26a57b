import { describe, expect, it } from 'vitest';
import { Random } from '../../src/random.js';
import { decodeBF16, decodeF16, encodeBF16, encodeF16 } from '../../src/tensor/half.js';

/** A 16-bit format by its definition (IEEE 754-2019, 3.4), in ordinary arithmetic. */
interface Format {
  readonly name: string;
  readonly mantissaBits: number;
  readonly bias: number;
  readonly encode: (values: Float32Array) => Uint16Array;
  readonly decode: (halves: Uint16Array) => Float32Array;
}

const FORMATS: readonly Format[] = [
  { name: 'f16', mantissaBits: 10, bias: 15, encode: encodeF16, decode: decodeF16 },
  { name: 'bf16', mantissaBits: 7, bias: 127, encode: encodeBF16, decode: decodeBF16 },
];

const ALL = Uint16Array.from({ length: 65_536 }, (_, i) => i);

function valueOf(half: number, { mantissaBits, bias }: Format): number {
  const sign = half >= 0x8000 ? -1 : 1;
  const steps = 2 ** mantissaBits;
  const exponent = Math.floor((half % 0x8000) / steps);
  const mantissa = half % steps;
  if (exponent === 2 ** (15 - mantissaBits) - 1) return mantissa === 0 ? sign * Infinity : NaN;
  if (exponent === 0) return sign * mantissa * 2 ** (1 - bias - mantissaBits);
  return sign * (1 + mantissa / steps) * 2 ** (exponent - bias);
}

/** The non-negative numbers of a format in order, pattern i at index i, and 2^(emax + 1) where infinity begins. */
function ladder(format: Format): Float64Array {
  const infinity = (2 ** (15 - format.mantissaBits) - 1) * 2 ** format.mantissaBits;
  const steps = Float64Array.from({ length: infinity + 1 }, (_, half) => valueOf(half, format));
  steps[infinity] = 2 ** (format.bias + 1);
  return steps;
}

/** Nearest, ties to even, by search on the ladder. */
function oracle(x: number, steps: Float64Array): number {
  const magnitude = Math.abs(x);
  const sign = x < 0 || Object.is(x, -0) ? 0x8000 : 0;
  let low = 0;
  let high = steps.length - 1;
  if (magnitude >= steps[high]!) return sign + high;
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (steps[middle]! <= magnitude) low = middle;
    else high = middle;
  }
  const below = magnitude - steps[low]!;
  const above = steps[high]! - magnitude;
  return sign + (below < above || (below === above && low % 2 === 0) ? low : high);
}

describe.each(FORMATS)('$name', (format) => {
  it('decodes all 65,536 patterns to their defined value', () => {
    const decoded = format.decode(ALL);
    for (const half of ALL) {
      const expected = valueOf(half, format);
      if (!Object.is(decoded[half], expected))
        expect.fail(`pattern ${half.toString(16)}: got ${decoded[half]}, expected ${expected}`);
    }
  });

  it('encodes every decoded pattern back to itself; a NaN stays a NaN of the same sign', () => {
    const back = format.encode(format.decode(ALL));
    for (const half of ALL) {
      if (Number.isNaN(valueOf(half, format))) {
        expect(valueOf(back[half]!, format)).toBeNaN();
        expect(back[half]! >>> 15).toBe(half >>> 15);
      } else expect(back[half]).toBe(half);
    }
  });

  it('rounds to nearest, ties to even: at, just below and just above the middle of every two neighbours', () => {
    const steps = ladder(format);
    const inputs: number[] = [];
    const ulp = new Uint32Array(1);
    const asFloat = new Float32Array(ulp.buffer);
    for (let half = 0; half + 1 < steps.length; half++) {
      const middle = Math.fround((steps[half]! + steps[half + 1]!) / 2);
      asFloat[0] = middle;
      const bits = ulp[0]!;
      for (const near of [bits - 1, bits, bits + 1]) {
        if (near < 0) continue;
        ulp[0] = near;
        inputs.push(asFloat[0], -asFloat[0]);
      }
    }
    check(Float32Array.from(inputs), steps);
  });

  it('rounds a million random binary32 patterns as the definition says', () => {
    const random = Random.of('half', format.name);
    const bits = Uint32Array.from({ length: 1_000_000 }, () => random.uint32());
    const values = new Float32Array(bits.buffer);
    check(
      values.filter((x) => !Number.isNaN(x)),
      ladder(format),
    );
    const nan = values.filter((x) => Number.isNaN(x));
    expect(nan.length).toBeGreaterThan(1000);
    for (const half of format.encode(nan)) expect(valueOf(half, format)).toBeNaN();
  });

  it('rounds binary32 subnormals and extremes', () => {
    const bits = Uint32Array.from([
      0, 0x80000000, 1, 0x80000001, 0x7fffff, 0x800000, 0x7f7fffff, 0xff7fffff, 0x7f800000, 0xff800000,
    ]);
    check(new Float32Array(bits.buffer), ladder(format));
  });

  function check(values: Float32Array, steps: Float64Array): void {
    const encoded = format.encode(values);
    for (let i = 0; i < values.length; i++) {
      const expected = oracle(values[i]!, steps);
      if (encoded[i] !== expected)
        expect.fail(`${values[i]}: got ${encoded[i]!.toString(16)}, expected ${expected.toString(16)}`);
    }
  }
});
