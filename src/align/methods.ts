import { FedrotError } from '../errors.js';
import type { ConfiguredMethod, MethodEntry } from './method.js';
import { fedit } from './methods/fedit.js';
import { fedrot } from './methods/fedrot.js';
import type { SiloInstructions } from './types.js';

/** Every aggregation method by name. */
export const METHODS: readonly MethodEntry[] = [fedrot, fedit];

/** A method with its options, ready for use. Throws option_invalid with the allowed names or keys. */
export function checkMethod(method: string, options: unknown): ConfiguredMethod {
  const entry = METHODS.find((candidate) => candidate.name === method);
  if (!entry)
    throw new FedrotError(
      'option_invalid',
      `there is no aggregation method ${JSON.stringify(method)}; the methods are ${METHODS.map(({ name }) => name).join(', ')}`,
    );
  return entry.configure(options);
}

/** What a method asks of the silos in a round (from 1). Throws as checkMethod. */
export function instructions(method: string, options: unknown, round: number): SiloInstructions {
  return checkMethod(method, options).instructions(round);
}
