import { Random } from '../../random.js';
import { standingOf } from './standing.js';
import type { RunState } from './state.js';

type Sampler = (state: RunState, candidates: readonly string[], random: Random) => readonly string[];

/** How candidates are put in order; the first ones are taken. */
const SAMPLERS: Readonly<Record<RunState['policy']['rounds']['sampling'], Sampler>> = {
  uniform: (_state, candidates, random) => random.shuffle([...candidates]),
  // Without replacement, in proportion to size: keys u^(1/w) (Efraimidis & Spirakis 2006, algorithm A).
  examples: (state, candidates, random) =>
    sortedBy(
      candidates,
      (silo) => Math.log(1 - random.uniform()) / Math.max(1, standingOf(state, silo).examples),
    ).reverse(),
  // Who has waited longest; of those, who was asked least.
  'round-robin': (state, candidates) =>
    sortedBy(
      sortedBy(candidates, (silo) => standingOf(state, silo).asks),
      (silo) => standingOf(state, silo).askedRound,
    ),
};

/** `count` of the candidates, in order of name; all where there are no more. The same state gives the same ones. */
export function sample(state: RunState, candidates: readonly string[], count: number): readonly string[] {
  if (candidates.length <= count) return candidates;
  const { seed, rounds } = state.policy;
  const random = Random.of(seed, 'sample', state.round, state.attempt, candidates.length);
  return SAMPLERS[rounds.sampling](state, [...candidates].sort(), random)
    .slice(0, count)
    .sort();
}

function sortedBy(names: readonly string[], key: (name: string) => number): string[] {
  const keyed = names.map((name) => ({ name, key: key(name) }));
  return keyed.sort((x, y) => x.key - y.key).map(({ name }) => name);
}
