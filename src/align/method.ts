import type { z } from 'zod';
import { FedrotError } from '../errors.js';
import { describeIssues } from '../run-spec.js';
import type { CrossGram, Side } from './rotate.js';
import type { SmallMatrix } from './small-matrix.js';
import type { SiloInstructions } from './types.js';

/** R_i by silo, in order of silo name; undefined is I. */
export type Rotations = readonly (SmallMatrix | undefined)[];

/** One module of one round, as a method sees it. Silos are in order of name. */
export interface ModuleView {
  readonly round: number;
  readonly r: number;
  readonly silos: number;
  /** M_i of every silo against the published factors that the round started from. */
  crossGrams(side: Side): readonly CrossGram[];
  /**
   * Which of some candidate alignments has the least aggregation error ‖B̃Ã − ΔW*‖_F. Compared exactly, never by a sketch; the
   * first one wins unless another is better by more than rounding.
   */
  leastError(candidates: readonly Rotations[]): number;
}

export interface Alignment {
  readonly rotations: Rotations;
  /** λ that was used, where the method has one: goes into the diagnostics. */
  readonly lambda?: number;
}

/** An aggregation method that brings silos' factors into one basis and averages them. One file each; methods.ts lists them. */
export interface Method<Options> {
  readonly name: string;
  /** Where it comes from, e.g. an arXiv number. */
  readonly source: string;
  readonly options: z.ZodObject & z.ZodType<Options>;
  /** What silos shall do in a round (from 1). */
  instructions(options: Options, round: number): SiloInstructions;
  align(module: ModuleView, options: Options): Alignment;
}

/** A method with its options checked and filled in. */
export interface ConfiguredMethod {
  readonly name: string;
  readonly options: Readonly<Record<string, unknown>>;
  instructions(round: number): SiloInstructions;
  align(module: ModuleView): Alignment;
}

/** What the table of methods holds: options' types are known only inside. */
export interface MethodEntry {
  readonly name: string;
  readonly source: string;
  /** Throws option_invalid with the allowed keys. */
  configure(options: unknown): ConfiguredMethod;
}

export function defineMethod<Options extends Record<string, unknown>>(method: Method<Options>): MethodEntry {
  return {
    name: method.name,
    source: method.source,
    configure(raw) {
      const options = Object.freeze(parseOptions(method, raw));
      return {
        name: method.name,
        options,
        instructions: (round) => method.instructions(options, round),
        align: (module) => method.align(module, options),
      };
    },
  };
}

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
