import type { RunState, Standing } from './state.js';

/** What the run remembers of its silos: who failed how often, who is set aside, how quick they are. */

/** Answers that the median is taken of. */
const KEPT_ANSWERS = 64;

/** Of a silo that nothing is known of. */
export const newStanding = (silo: string, examples = 0): Standing => ({
  silo,
  examples,
  askedRound: 0,
  asks: 0,
  failures: 0,
  asideUntilMs: 0,
  reason: '',
});

export function standingOf(state: RunState, silo: string): Standing {
  return state.standings.find((standing) => standing.silo === silo) ?? newStanding(silo);
}

export function withStanding(state: RunState, silo: string, changes: Partial<Standing>): RunState {
  const changed = { ...standingOf(state, silo), ...changes };
  const others = state.standings.filter((standing) => standing.silo !== silo);
  return { ...state, standings: [...others, changed].sort((x, y) => (x.silo < y.silo ? -1 : 1)) };
}

/** Connected trainers that may be asked. */
export function askable(state: RunState): readonly string[] {
  if (state.standings.every(({ asideUntilMs }) => asideUntilMs === 0)) return state.trainers;
  return state.trainers.filter((silo) => standingOf(state, silo).asideUntilMs === 0);
}

/** Connected trainers that are not asked, and why. */
export function setAside(state: RunState): readonly Standing[] {
  return state.standings.filter(
    ({ silo, asideUntilMs }) => asideUntilMs > 0 && state.trainers.includes(silo),
  );
}

/** The silo failed (again): after so many times in a row it is set aside. */
export function noteFailure(state: RunState, silo: string, reason: string, at: number): RunState {
  const { failures: limit, forMs } = state.policy.rounds.setAside;
  const failures = standingOf(state, silo).failures + 1;
  const asideUntilMs = limit > 0 && failures >= limit ? at + forMs : 0;
  return withStanding(state, silo, { failures, asideUntilMs, reason });
}

/** The silo delivered: what failed before is forgotten. */
export function noteAnswer(state: RunState, silo: string, tookMs: number | undefined): RunState {
  const answerMs = tookMs === undefined ? state.answerMs : [...state.answerMs, tookMs].slice(-KEPT_ANSWERS);
  const { failures } = standingOf(state, silo);
  return { ...(failures === 0 ? state : forgive(state, silo)), answerMs };
}

/** A round asks the silo; a further attempt of the same round does not count again. */
export function noteAsked(state: RunState, silo: string): RunState {
  const { askedRound, asks } = standingOf(state, silo);
  if (askedRound === state.round) return state;
  return withStanding(state, silo, { askedRound: state.round, asks: asks + 1 });
}

/** Back among those that are asked, with a clean slate. */
export function forgive(state: RunState, silo: string): RunState {
  return withStanding(state, silo, { failures: 0, asideUntilMs: 0, reason: '' });
}

/** Brings those back whose time is over. */
export function releaseDue(state: RunState, at: number): RunState {
  return state.standings
    .filter(({ asideUntilMs }) => asideUntilMs > 0 && at >= asideUntilMs)
    .reduce((now, { silo }) => forgive(now, silo), state);
}

/** How long a round may take from now on, ms: rounds.deadlineMs, or less where silos have been quick. */
export function roundTimeMs({ policy, answerMs }: RunState): number {
  const { deadlineMs, deadlineFactor } = policy.rounds;
  if (deadlineFactor === undefined || answerMs.length === 0) return deadlineMs;
  const sorted = [...answerMs].sort((x, y) => x - y);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? deadlineMs;
  const median = sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
  return Math.min(deadlineMs, Math.max(100, Math.ceil(deadlineFactor * median)));
}
