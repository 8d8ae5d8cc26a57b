import { FedrotError } from '../../errors.js';
import type { RobustSpec } from '../../run-spec.js';
import { krumScores, leastScores } from './krum.js';

/** How a round's aligned updates Δ_i are combined: Σ w_i c_i Δ_i, or coordinate by coordinate from the c_i Δ_i. */
export interface RobustPlan {
  /** c_i ≤ 1: shortens updates beyond the bound. */
  readonly scales: readonly number[];
  /** w_i; 0 for a silo that is left out. */
  readonly weights: readonly number[];
  /** From the values of one coordinate, in rising order; absent: the weighted sum. */
  readonly pick?: (rising: Float64Array) => number;
}

/** Whether a plan needs the inner products ⟨Δ_i, Δ_j⟩ over the whole adapter: of all pairs, only ‖Δ_i‖², or none. */
export function neededProducts(robust: RobustSpec): 'pairs' | 'norms' | 'none' {
  if (robust.combine.kind === 'krum' || robust.combine.kind === 'multi-krum') return 'pairs';
  return robust.clip === undefined ? 'none' : 'norms';
}

/** `products`: silos × silos, ⟨Δ_i, Δ_j⟩ as far as they are needed. Throws precondition_failed for too few updates. */
export function robustPlan(
  robust: RobustSpec,
  weights: readonly number[],
  products: Float64Array,
): RobustPlan {
  const voters = weights.flatMap((weight, i) => (weight > 0 ? [i] : []));
  const scales = clipScales(robust.clip, voters, weights.length, products);
  const { combine } = robust;
  const plan = { scales, weights };
  switch (combine.kind) {
    case 'mean':
      return plan;
    case 'median':
      return { ...plan, pick: median };
    case 'trimmed-mean': {
      const cut = Math.ceil(combine.fraction * voters.length);
      if (2 * cut >= voters.length)
        throw tooFew(
          `trimmed-mean of ${combine.fraction} leaves ${cut} out at either end`,
          2 * cut + 1,
          voters.length,
        );
      return { ...plan, pick: (rising) => mean(rising.subarray(cut, rising.length - cut)) };
    }
    case 'krum':
    case 'multi-krum': {
      const needed = 2 * combine.byzantine + 3;
      if (voters.length < needed)
        throw tooFew(`${combine.kind} against ${combine.byzantine} faulty silos`, needed, voters.length);
      const scores = krumScores(products, scales, voters, weights.length, combine.byzantine);
      const count = combine.kind === 'krum' ? 1 : (combine.select ?? voters.length - combine.byzantine);
      const chosen = new Set(leastScores(scores, Math.min(count, voters.length)).map((at) => voters[at]!));
      const sum = weights.reduce((total, weight, i) => total + (chosen.has(i) ? weight : 0), 0);
      return { scales, weights: weights.map((weight, i) => (chosen.has(i) ? weight / sum : 0)) };
    }
  }
}

/** How many more silos than the fewest are tried: rounding repeats itself long before. */
const TRIED = 64;

/** Throws precondition_failed where a round of `fewest` updates or more could not be combined: better before a run than in it. */
export function checkRobust(robust: RobustSpec, fewest: number): void {
  for (let silos = fewest; silos < fewest + TRIED; silos++)
    robustPlan(robust, new Array<number>(silos).fill(1), new Float64Array(silos * silos));
}

const tooFew = (what: string, needed: number, got: number): FedrotError =>
  new FedrotError(
    'precondition_failed',
    `${what}: it needs at least ${needed} updates with a weight above 0, the round has ${got}; raise rounds.minSilos or lower what is left out`,
  );

function clipScales(
  clip: RobustSpec['clip'],
  voters: readonly number[],
  silos: number,
  products: Float64Array,
): number[] {
  if (clip === undefined) return new Array<number>(silos).fill(1);
  const norms = Array.from({ length: silos }, (_, i) => Math.sqrt(Math.max(0, products[i * silos + i]!)));
  const bound = clip === 'median' ? median(Float64Array.from(voters, (i) => norms[i]!).sort()) : clip;
  return norms.map((norm) => (norm > bound ? bound / norm : 1));
}

/** Of values in rising order; the mean of the two in the middle of an even number. */
function median(rising: Float64Array): number {
  const half = rising.length >> 1;
  return rising.length % 2 === 1 ? rising[half]! : (rising[half - 1]! + rising[half]!) / 2;
}

const mean = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0) / values.length;
