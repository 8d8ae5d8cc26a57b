import { FedrotError } from '../errors.js';
import type { RobustSpec, ServerOptimizerSpec } from '../run-spec.js';
import type { ConfiguredMethod, MethodEntry } from './method.js';
import { fedex } from './methods/fedex.js';
import { fedit } from './methods/fedit.js';
import { fedrotConsensus } from './methods/fedrot-consensus.js';
import { fedrotExact } from './methods/fedrot-exact.js';
import { fedrot } from './methods/fedrot.js';
import { fedsa } from './methods/fedsa.js';
import { ffa } from './methods/ffa.js';
import { flexlora } from './methods/flexlora.js';
import { flora } from './methods/flora.js';
import { hetlora } from './methods/hetlora.js';
import { loraFair } from './methods/lora-fair.js';
import { rolora } from './methods/rolora.js';
import type { StaleHandling } from './staleness.js';
import type { SiloInstructions } from './types.js';

/** Every aggregation method by name. */
export const METHODS: readonly MethodEntry[] = [
  fedrot,
  fedrotExact,
  fedrotConsensus,
  fedit,
  ffa,
  rolora,
  flexlora,
  flora,
  fedex,
  fedsa,
  hetlora,
  loraFair,
];

/** The method part of a run's specification, with what is to go together with it. */
export interface AggregationChoice {
  readonly method: string;
  readonly options: unknown;
  readonly serverOptimizer?: ServerOptimizerSpec | undefined;
  readonly robust?: RobustSpec | undefined;
}

/** A method with its options, ready for use, in a combination that it allows. Throws option_invalid as checkMethod, and for steps that do not go with it. */
export function checkAggregation(choice: AggregationChoice, methods = METHODS): ConfiguredMethod {
  const method = checkMethod(choice.method, choice.options, methods);
  const { serverOptimizer, robust } = method.allows;
  if (choice.serverOptimizer && !serverOptimizer)
    throw new FedrotError(
      'option_invalid',
      `aggregation method ${method.name} leaves no step for a server optimizer (${choice.serverOptimizer.kind}): what silos merge into their base is exact as it is`,
    );
  if (choice.robust && !robust)
    throw new FedrotError(
      'option_invalid',
      `aggregation method ${method.name} does not average aligned factors, which robust combination acts on; methods that do: ${methods
        .map((entry) => entry.name)
        .filter((name) => name !== method.name && allowsRobust(name, methods))
        .join(', ')}`,
    );
  return method;
}

const allowsRobust = (name: string, methods: readonly MethodEntry[]): boolean =>
  methods.some((entry) => entry.name === name && entry.allows.robust);

/** A method with its options, ready for use. Throws option_invalid with the allowed names or keys. */
export function checkMethod(method: string, options: unknown, methods = METHODS): ConfiguredMethod {
  const entry = methods.find((candidate) => candidate.name === method);
  if (!entry)
    throw new FedrotError(
      'option_invalid',
      `there is no aggregation method ${JSON.stringify(method)}; the methods are ${methods.map(({ name }) => name).join(', ')}`,
    );
  return entry.configure(options);
}

/** Rounds whose instructions are compared: methods that alternate do so from round to round, some from the second on. */
const COMPARED_ROUNDS = 4;

/**
 * How a method takes updates that began from an older version. Throws option_invalid where it cannot: its silos change what they train, or
 * how they turn it, from round to round, or merge every version into their base.
 */
export function staleHandling(method: ConfiguredMethod, methods = METHODS): StaleHandling {
  const refuse = (why: string): FedrotError => {
    const able = methods.filter(({ allows }) => allows.stale !== undefined).map(({ name }) => name);
    return new FedrotError(
      'option_invalid',
      `aggregation method ${method.name} cannot count updates that began from an older version (rounds.late: carry, rounds.mode: async): ${why}; methods that can: ${able.join(', ')}`,
    );
  };
  const asked = Array.from({ length: COMPARED_ROUNDS }, (_, i) => JSON.stringify(method.instructions(i + 1)));
  if (new Set(asked).size > 1) throw refuse('what it asks of silos differs from round to round');
  if (method.allows.stale === undefined)
    throw refuse('what silos have merged into their base meanwhile is no longer what the update began with');
  return method.allows.stale;
}

/** What a method asks of the silos in a round (from 1). Throws as checkMethod. */
export function instructions(method: string, options: unknown, round: number): SiloInstructions {
  return checkMethod(method, options).instructions(round);
}
