import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { rotateFactors, rotationTo } from '../../src/align/rotate.js';
import type { Factors } from '../../src/align/types.js';
import { repoPath, sharedMissing, sharedRoot } from '../support/repo.js';

/** A silo's factors, the reference factor, and what comes out. lambda null: the paper's hard form, which keeps reflections. */
interface Case {
  readonly name: string;
  readonly r: number;
  readonly k: number;
  readonly d: number;
  readonly reference: 'A' | 'B';
  readonly lambda: number | null;
  readonly A: number[][];
  readonly B: number[][];
  readonly ref: number[][];
  readonly A_out: number[][];
  readonly B_out: number[][];
}

const flat = (rows: number[][]): Float32Array => Float32Array.from(rows.flat());

function parse(text: string): Case[] {
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Case);
}

function align(test: Case): Factors {
  const shape = { r: test.r, in: test.k, out: test.d };
  const factors = { ...shape, a: flat(test.A), b: flat(test.B) };
  const side = test.reference === 'A' ? 'a' : 'b';
  const zero = { a: new Float32Array(test.r * test.k), b: new Float32Array(test.d * test.r) };
  const reference = { ...shape, ...zero, [side]: flat(test.ref) };
  const how = test.lambda === null ? { lambda: 1, reflections: true } : { lambda: test.lambda };
  return rotateFactors(factors, rotationTo(factors, reference, { side, ...how }));
}

function largestDifference(test: Case): number {
  const { a, b } = align(test);
  let largest = 0;
  flat(test.A_out).forEach((value, i) => (largest = Math.max(largest, Math.abs(value - a[i]!))));
  flat(test.B_out).forEach((value, i) => (largest = Math.max(largest, Math.abs(value - b[i]!))));
  return largest;
}

describe('alignment', () => {
  const own = parse(readFileSync(repoPath('test/data/align/procrustes.jsonl'), 'utf8'));
  it.each(own)('agrees with numpy: $name', (test) => {
    expect(largestDifference(test)).toBeLessThan(1e-5);
  });

  it.skipIf(sharedRoot === undefined)(
    `agrees with the authors' code on all 216 cases (${sharedRoot === undefined ? sharedMissing : 'golden'})`,
    () => {
      const cases = parse(readFileSync(join(sharedRoot!, 'data/golden/fedrot-official.jsonl'), 'utf8'));
      expect(cases).toHaveLength(216);
      const off = cases
        .map((test) => ({ name: test.name, by: largestDifference(test) }))
        .filter(({ by }) => !(by <= 1e-5));
      expect(off).toEqual([]);
    },
  );
});
