import type { Run } from '../../rpc/gen/fedrot/v1/Run.js';
import { formatBytes, formatDuration, formatNumber, formatPercent } from '../format.js';
import { accuracyOf, hasEnded, stateOf, viewRound, type RoundView } from './run-view.js';

/** `round 3/8   accuracy 91.3 %   loss 0.246   4 updates   error 0.021 (plain averaging 0.024)   1.2 MB   8.2 s` */
function roundLine(view: RoundView, totalRounds: number): string {
  const width = String(totalRounds).length;
  const error =
    view.aggregationError === null
      ? ''
      : `error ${formatNumber(view.aggregationError)} (plain averaging ${formatNumber(view.aggregationErrorFedit)})`;
  return [
    `round ${String(view.round).padStart(width)}/${totalRounds}`,
    ...(view.accuracy === null ? [] : [`accuracy ${formatPercent(view.accuracy)}`]),
    ...(view.loss === null ? [] : [`loss ${formatNumber(view.loss)}`]),
    ...(view.loss === null && view.trainLoss !== null ? [`train loss ${formatNumber(view.trainLoss)}`] : []),
    `${view.updates} update${view.updates === 1 ? '' : 's'}`,
    ...(error === '' ? [] : [error]),
    formatBytes(view.bytesReceived),
    formatDuration(1000 * view.seconds),
  ].join('   ');
}

/**
 * Tells a run as it goes, from its snapshots: each round once, when its score and its error are there or will not come any more; what it
 * waits for; silos that failed; how it ended. Snapshots may be skipped or repeated.
 */
export class RunNarrator {
  #rounds = 0;
  #failures = 0;
  #initial = false;
  #reason = '';
  #ended = false;

  /** The lines that this snapshot adds; `last`: no other one follows. */
  tell(run: Run, { last = false } = {}): string[] {
    const lines: string[] = [];
    const initial = accuracyOf(run, 0);
    if (!this.#initial && initial !== null) {
      this.#initial = true;
      lines.push(`before training   accuracy ${formatPercent(initial)}`);
    }
    const failures = run.rounds.flatMap(({ failures: records }) => records);
    for (const { silo, message } of failures.slice(this.#failures)) lines.push(`${silo} failed: ${message}`);
    this.#failures = Math.max(this.#failures, failures.length);
    for (const record of run.rounds.slice(this.#rounds)) {
      const view = viewRound(run, record);
      const scoreMayCome = run.phase === 'evaluating' && record.round === run.rounds.length && !hasEnded(run);
      if (view.accuracy === null && scoreMayCome) break;
      if (view.diagnosis === 'pending' && !last) break;
      lines.push(roundLine(view, run.totalRounds));
      this.#rounds++;
    }
    if (run.state === 'RUN_STATE_WAITING' && run.reason !== '' && run.reason !== this.#reason)
      lines.push(`waiting: ${run.reason}`);
    this.#reason = run.reason;
    if (hasEnded(run) && this.#rounds >= run.rounds.length && !this.#ended) {
      this.#ended = true;
      lines.push(run.reason === '' ? stateOf(run) : `${stateOf(run)}: ${run.reason}`);
    }
    return lines;
  }
}
