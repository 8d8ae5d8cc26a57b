import type { z } from 'zod';
import { FedrotError } from '../errors.js';
import type { Random } from '../random.js';
import { describeIssues } from '../read-config.js';
import type { SiloInstructions } from './instructions.js';
import type { Kernels } from './kernels.js';
import type { CrossGram, Side } from './rotate.js';
import type { RowFactors } from './row-factors.js';
import type { SmallMatrix } from './small-matrix.js';
import type { StaleHandling } from './staleness.js';

/** R_i by silo, in order of silo name; undefined is I. */
export type Rotations = readonly (SmallMatrix | undefined)[];

/** One module of one round, as a method sees it. Silos are in order of name. */
export interface ModuleView {
  /** From 1. */
  readonly round: number;
  /** The run's rank. */
  readonly r: number;
  readonly in: number;
  readonly out: number;
  readonly silos: number;
  /** p_i; all together 1. */
  readonly weights: readonly number[];
  /** (Ā, B̄): the published factors that the round started from. */
  readonly previous: RowFactors;
  /** A stream of the run's seed, the round and the module. */
  readonly random: Random;
  readonly kernels: Kernels;
  /**
   * The i-th silo's factors, those of a smaller rank filled up with zeros to r, those that it does not share as published. May be
   * read from disk: go through the silos in order, and keep nothing that grows with their number.
   */
  readonly factors: (silo: number) => RowFactors;
  /** M_i of every silo against the reference, by default the published factors that the round started from. */
  readonly crossGrams: (side: Side, reference?: RowFactors) => readonly CrossGram[];
  /** Σ p_i (R_iᵀ A_i, R_iᵀ B_iᵀ) in float32. */
  readonly mean: (rotations: Rotations) => RowFactors;
  /**
   * Which of some candidate alignments has the least aggregation error ‖B̃Ã − ΔW*‖_F. Compared exactly, never by a sketch; the
   * first one wins unless another is better by more than rounding.
   */
  readonly leastError: (candidates: readonly Rotations[]) => number;
}

export interface Alignment {
  readonly rotations: Rotations;
  /** λ that was used, where the method has one: goes into the diagnostics. */
  readonly lambda?: number;
  /** Weights of the method's own instead of p_i; all together 1. */
  readonly weights?: readonly number[];
}

/** What silos add to their base: Bᵀ and A of any rank, made when they are asked for. */
export interface Merge {
  readonly rank: number;
  /** A: rank × in. */
  a(): Float32Array;
  /** Bᵀ: rank × out. */
  bt(): Float32Array;
}

export interface Published {
  readonly factors: RowFactors;
  readonly merge?: Merge;
}

/** What may go together with a method. */
export interface Allowed {
  /** Silos may train with ranks of their own below the run's: how they fit the published factors to them. Absent: no. */
  readonly ownRank?: SiloInstructions['ownRank'];
  /** How updates count that began from an older version (rounds.late, rounds.mode). Absent: they cannot. */
  readonly stale?: StaleHandling;
  /** A server optimizer may follow. */
  readonly serverOptimizer: boolean;
  /** Robust combination may take the place of the mean. */
  readonly robust: boolean;
}

/**
 * An aggregation method, one file each; methods.ts lists them. A round goes: `instructions` say what silos do; `align` says
 * how their updates are brought into one basis; the aligned updates are averaged (or combined robustly); `publish` makes of the
 * mean what silos get. Most methods define one of the last two.
 */
export interface Method<Options> {
  readonly name: string;
  /** Where it comes from, e.g. an arXiv number. */
  readonly source: string;
  readonly options: z.ZodObject & z.ZodType<Options>;
  readonly allows: Allowed;
  /** What silos shall do in a round (from 1). */
  instructions(options: Options, round: number): SiloInstructions;
  /** By default nothing is rotated. */
  align?(module: ModuleView, options: Options): Alignment;
  /** By default the mean itself. */
  publish?(module: ModuleView, mean: RowFactors, options: Options): Published;
}

/** A method with its options checked and filled in. */
export interface ConfiguredMethod {
  readonly name: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly allows: Allowed;
  instructions(round: number): SiloInstructions;
  align(module: ModuleView): Alignment;
  publish(module: ModuleView, mean: RowFactors): Published;
}

/** What the table of methods holds: options' types are known only inside. */
export interface MethodEntry {
  readonly name: string;
  readonly source: string;
  readonly allows: Allowed;
  readonly options: z.ZodObject;
  /** Throws option_invalid with the allowed keys. */
  configure(options: unknown): ConfiguredMethod;
}

export function defineMethod<Options extends Record<string, unknown>>(method: Method<Options>): MethodEntry {
  return {
    name: method.name,
    source: method.source,
    allows: method.allows,
    options: method.options,
    configure(raw) {
      const options = Object.freeze(parseOptions(method, raw));
      return {
        name: method.name,
        options,
        allows: method.allows,
        instructions: (round) => method.instructions(options, round),
        align: (module) => method.align?.(module, options) ?? { rotations: plainRotations(module.silos) },
        publish: (module, mean) => method.publish?.(module, mean, options) ?? { factors: mean },
      };
    },
  };
}

/** No rotation, for each of so many silos. */
export const plainRotations = (silos: number): Rotations => new Array<undefined>(silos).fill(undefined);

function parseOptions<Options>(method: Method<Options>, raw: unknown): Options {
  const parsed = method.options.safeParse(raw ?? {});
  if (parsed.success) return parsed.data;
  const keys = Object.keys(method.options.shape);
  const allowed = keys.length === 0 ? 'it has no options' : `its options are ${keys.join(', ')}`;
  throw new FedrotError(
    'option_invalid',
    `aggregation method ${method.name}: ${describeIssues(parsed.error)} (${allowed})`,
  );
}
