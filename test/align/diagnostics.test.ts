import { describe, expect, it } from 'vitest';
import { aggregate } from '../../src/align/aggregate.js';
import { principalAngles } from '../../src/align/principal-angles.js';
import { rotateFactors } from '../../src/align/rotate.js';
import type { Factors } from '../../src/align/types.js';
import { Random } from '../../src/random.js';
import { eckartYoung, frobenius, minus } from './support/dense.js';
import {
  exactMean,
  inputOf,
  nearFactors,
  normals,
  product,
  randomFactors,
  scrambled,
  updatesOf,
} from './support/federation.js';

const SHAPE = { r: 4, in: 30, out: 25 };

/** A turn by θ in the planes (0, 1), (2, 3), … */
const turn = (r: number, angle: number): Float64Array =>
  Float64Array.from({ length: r * r }, (_, at) => {
    const [i, j] = [Math.floor(at / r), at % r];
    if (i === j) return Math.cos(angle);
    if (i >> 1 !== j >> 1) return 0;
    return i < j ? -Math.sin(angle) : Math.sin(angle);
  });

const inner = (x: number[][], y: number[][]): number =>
  x.flat().reduce((sum, value, i) => sum + value * y.flat()[i]!, 0);

describe('diagnostics of a silo', () => {
  it('misalignment is sin(θ/2) of a turn by θ, 0 without one, 1 at the opposite', () => {
    const previous = randomFactors(Random.of('turn'), SHAPE);
    const angles = [0, 0.05, 0.5, 2, Math.PI];
    const silos = angles.map((angle) => rotateFactors(previous, turn(4, angle)));
    const { diagnostics } = aggregate(inputOf(previous, silos, { method: 'fedit' }));
    diagnostics.modules[0]!.silos.forEach(({ misalignment, angleA, angleB }, i) => {
      expect(misalignment).toBeCloseTo(Math.sin(angles[i]! / 2), 3);
      expect(angleA).toBeLessThan(1e-3); // the space itself is the same
      expect(angleB).toBeLessThan(1e-3);
    });
    const mean = angles.reduce((sum, angle) => sum + Math.sin(angle / 2), 0) / angles.length;
    expect(diagnostics.misalignment).toBeCloseTo(mean, 3);
  });

  it('norm and cosine are those of full matrices', () => {
    const random = Random.of('norms');
    const previous = randomFactors(random, SHAPE);
    const silos = Array.from({ length: 5 }, () => scrambled(random, nearFactors(random, previous, 0.4)));
    const weights = [1, 2, 3, 4, 5];
    const { diagnostics } = aggregate(inputOf(previous, [], { updates: updatesOf(silos, weights) }));
    const step = minus(exactMean(silos, weights), product(previous));
    diagnostics.modules[0]!.silos.forEach(({ updateNorm, cosineToMean }, i) => {
      const own = minus(product(silos[i]!), product(previous));
      expect(updateNorm! / frobenius(own)).toBeCloseTo(1, 6);
      expect(cosineToMean).toBeCloseTo(inner(own, step) / frobenius(own) / frobenius(step), 6);
    });
  });

  it('of many silos: the cosine is to the best of rank r, the bound near Eckart and Young', () => {
    const random = Random.of('many');
    const previous = randomFactors(random, SHAPE);
    const silos = Array.from({ length: 70 }, () => nearFactors(random, previous, 0.3));
    const { diagnostics } = aggregate(inputOf(previous, silos, { method: 'fedit' }));
    const target = exactMean(silos);
    const bound = eckartYoung(target, 4) / frobenius(target);
    expect(diagnostics.aggregationErrorBound! / bound).toBeGreaterThan(0.8);
    expect(diagnostics.aggregationErrorBound! / bound).toBeLessThan(1.2);
    expect(diagnostics.aggregationErrorBound!).toBeLessThanOrEqual(diagnostics.aggregationErrorFedit!);
    const step = minus(target, product(previous));
    diagnostics.modules[0]!.silos.forEach(({ updateNorm, cosineToMean }, i) => {
      const own = minus(product(silos[i]!), product(previous));
      expect(updateNorm! / frobenius(own)).toBeCloseTo(1, 6);
      expect(Math.abs(cosineToMean! - inner(own, step) / frobenius(own) / frobenius(step))).toBeLessThan(
        0.15,
      );
    });
  });

  it('has nothing to say of a zero factor or of a silo that has not moved', () => {
    const previous = randomFactors(Random.of('still'), SHAPE);
    const zero = (factors: Factors): Factors => ({ ...factors, b: factors.b.map(() => 0) });
    const still = aggregate(inputOf(previous, [previous, previous])).diagnostics.modules[0]!.silos[0]!;
    expect(still).toMatchObject({ misalignment: 0, updateNorm: 0, cosineToMean: null });
    const start = aggregate(inputOf(zero(previous), [previous])).diagnostics.modules[0]!.silos[0]!;
    expect(start.angleB).toBeNull();
    expect(start.angleA).toBeLessThan(1e-6);
    expect(start.cosineToMean).toBeCloseTo(1, 6);
  });
});

describe('principalAngles', () => {
  it('of planes turned out of each other by known angles, in any basis', () => {
    const random = Random.of('planes');
    const angles = [0.1, 0.7, 1.5];
    // Rows e_i and cos θ_i e_i + sin θ_i e_{3+i}, mixed by any invertible matrix.
    const x = new Float32Array(3 * 8);
    const y = new Float32Array(3 * 8);
    const mix = (target: Float32Array, rows: number[][]): void => {
      const c = normals(random, 9);
      for (let i = 0; i < 3; i++)
        for (let at = 0; at < 8; at++)
          target[i * 8 + at] = rows.reduce((sum, row, l) => sum + (c[i * 3 + l]! + (i === l ? 3 : 0)) * row[at]!, 0);
    };
    const e = (i: number): number[] => Array.from({ length: 8 }, (_, at) => (at === i ? 1 : 0));
    mix(x, [e(0), e(1), e(2)]);
    mix(y, angles.map((angle, i) => e(i).map((value, at) => Math.cos(angle) * value + Math.sin(angle) * e(3 + i)[at]!)));
    principalAngles(x, y, 3, 8).forEach((angle, i) => expect(angle).toBeCloseTo(angles[i]!, 5));
    expect(principalAngles(x, new Float32Array(24), 3, 8)).toEqual([]);
  }); // prettier-ignore
});
