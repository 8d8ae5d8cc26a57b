import { checkMethod } from '../../align/methods.js';
import { FedrotError } from '../../errors.js';
import type { RunSpec } from '../../run-spec.js';

/** What the rounds of this coordinator can ask of a silo; src/align knows methods that ask for more. */
const ASKABLE: ReadonlySet<string> = new Set(['train', 'ownRank']);

/**
 * Refuses (option_invalid) what src/align can compute but coordinator and silos do not carry out yet: it must not be accepted and then
 * left out in silence. Instructions are looked at for an A-round and a B-round.
 */
export function checkServed({ method, options, serverOptimizer, robust }: RunSpec['aggregation']): void {
  const configured = checkMethod(method, options);
  const asked = [1, 2].flatMap((round) => Object.keys(configured.instructions(round)));
  const missing = asked.find((key) => !ASKABLE.has(key));
  if (missing !== undefined)
    throw new FedrotError(
      'option_invalid',
      `method ${method} asks silos to ${missing}, which this version's rounds do not do yet; take fedrot, fedit or another method that averages both factors`,
    );
  const step = Object.entries({ serverOptimizer, robust }).find(([, value]) => value !== undefined)?.[0];
  if (step !== undefined)
    throw new FedrotError(
      'option_invalid',
      `aggregation.${step}: this version's rounds do not carry it out yet; leave it out`,
    );
}
