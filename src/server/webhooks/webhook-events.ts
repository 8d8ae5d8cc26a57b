import type { RunState } from '../round/state.js';

/** What a webhook can be asked for. */
export const WEBHOOK_EVENTS = ['run.finished', 'run.failed', 'run.quorum_lost'] as const;
export type WebhookEvent = (typeof WEBHOOK_EVENTS)[number];

/** Whether an open run has come to wait for silos that its next round, or the one under way, would need. */
function hasLostQuorum(before: RunState, after: RunState): boolean {
  const lacks = ({ trainers, policy }: RunState): boolean => trainers.length < policy.rounds.minSilos;
  const began = before.round > 0 || before.version > 0;
  return after.outcome === null && began && !lacks(before) && lacks(after);
}

/** What a step of a run is worth telling: nothing, mostly. */
export function webhookEvents(before: RunState, after: RunState): readonly WebhookEvent[] {
  if (before.outcome === null && after.outcome === 'finished') return ['run.finished'];
  if (before.outcome === null && after.outcome === 'failed') return ['run.failed'];
  return hasLostQuorum(before, after) ? ['run.quorum_lost'] : [];
}
