import type { RunState } from './state.js';

/** What states that an older fedrot stored lack, as it was in its time. */
const LATER = { pause: null, rollback: null, rollbacks: 0 } as const;

type Upgradable = Omit<RunState, keyof typeof LATER> & Partial<RunState>;

/** A stored state, of this fedrot or an older one, as this one needs it. */
export function upgradeState(stored: Upgradable): RunState {
  return { ...LATER, ...stored };
}
