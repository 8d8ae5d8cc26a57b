import type { Rotations } from './method.js';
import type { RowFactors } from './row-factors.js';

/** Squared Frobenius norms of one module. Squares of relative errors are their quotients. */
export interface SquaredErrors {
  /** ‖B̃Ã − ΔW*‖_F² of what is judged. */
  readonly method: number;
  /** The same for plain averaging. */
  readonly fedit: number;
  /** The same for the best factors of rank r (Eckart–Young). */
  readonly bound: number;
  /** ‖ΔW*‖_F²; 0 where it is nothing but rounding. */
  readonly target: number;
}

/** What is judged: factors; where they are the mean of rotated updates, by what rotations, which allows to be more exact. */
export interface Judged {
  readonly factors: RowFactors;
  readonly rotations?: Rotations | undefined;
}

/** ΔW* as far as other products are compared with it: exact, or its best approximation of rank r. */
export interface MeanProduct {
  /** ⟨B_i A_i, ΔW*⟩ by silo. */
  readonly silos: readonly number[];
  /** ‖ΔW*‖_F². */
  readonly square: number;
  /** ⟨B A, ΔW*⟩. */
  overlap(factors: RowFactors): number;
}

/** How far averages of rotated factors are from the exact mean ΔW* = Σ p_i B_i A_i. */
export interface ErrorAlgebra {
  /** Σ p_i (R_iᵀ A_i, R_iᵀ B_iᵀ) in float32. */
  mean(rotations: Rotations): RowFactors;
  /** See ModuleView.leastError. */
  leastError(candidates: readonly Rotations[]): number;
  errors(judged: Judged): SquaredErrors;
  meanProduct(): MeanProduct;
}

/** Squares below this share of Σ p_i ‖B_i A_i‖_F² are rounding. */
const ROUNDING = 1e-14;

/** The index of the least value; 0 unless another is less by more than rounding. `scale` is Σ p_i ‖B_i A_i‖_F². */
export function leastIndex(values: readonly number[], scale: number): number {
  const least = values.reduce((best, value, i) => (value < values[best]! ? i : best), 0);
  return values[0]! - values[least]! > ROUNDING * scale ? least : 0;
}

/** 0 for a square that is nothing but rounding. */
export function withoutRounding(square: number, scale: number): number {
  return square > ROUNDING * scale ? square : 0;
}

export const isPlain = (rotations: Rotations): boolean =>
  rotations.every((rotation) => rotation === undefined);
