import type { RoundPolicy, RunState } from './state.js';

/** What states that an older fedrot stored lack, as it was in its time. */
const LATER = {
  ...{ pause: null, rollback: null, rollbacks: 0 },
  ...{ standings: [], answerMs: [], carried: [] },
} as const;
const LATER_ROUNDS = {
  sampling: 'uniform',
  setAside: { failures: 0, forMs: 0 },
  mode: 'sync',
  late: 'refuse',
  staleness: { weight: { kind: 'polynomial', exponent: 0.5 } },
} as const;

type Rounds = RoundPolicy['rounds'];

export interface UpgradablePolicy
  extends Pick<RoundPolicy, 'evaluation'>, Partial<Pick<RoundPolicy, 'seed'>> {
  readonly rounds: Omit<Rounds, keyof typeof LATER_ROUNDS> & Partial<Rounds>;
}

export type UpgradableState = Omit<RunState, keyof typeof LATER | 'policy'> &
  Partial<Pick<RunState, keyof typeof LATER>> & { readonly policy: UpgradablePolicy };

/** A stored state, of this fedrot or an older one, as this one needs it. */
export function upgradeState({ policy, ...stored }: UpgradableState): RunState {
  return {
    ...LATER,
    ...stored,
    policy: { seed: 0, ...policy, rounds: { ...LATER_ROUNDS, ...policy.rounds } },
  };
}
