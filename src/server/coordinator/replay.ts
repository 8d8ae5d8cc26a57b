import type { RunState } from '../round/state.js';
import { step } from '../round/step.js';
import type { StoredRun } from '../store/store.js';

/** The state that a stored run was in: its snapshot and what came after it, decided anew (the reducer is deterministic). */
export function replay(run: Pick<StoredRun, 'snapshot' | 'events'>): RunState {
  return run.events.reduce((state, event) => step(state, event).state, run.snapshot);
}
