import type { Effect, Step } from './effects.js';
import type { RunEvent, RunEventOf } from './events.js';
import { countingRound, stalenessScale } from './staleness.js';
import { lastVersion, type RunState } from './state.js';
import { doneTasks, isRoundOpen } from './tasks.js';

export const LOG_LEVELS = ['info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Kind of an entry → its level. The set is closed: docs/reliability.md lists it. */
export const LOG_KINDS = {
  'run.created': 'info',
  'run.waiting': 'info',
  'run.paused': 'warn',
  'run.resumed': 'info',
  'run.finished': 'info',
  'run.stopped': 'warn',
  'run.failed': 'error',
  'round.started': 'info',
  'round.retried': 'warn',
  'round.aggregating': 'info',
  'round.aggregation-failed': 'error',
  'round.published': 'info',
  'round.called-off': 'warn',
  'round.diagnosis-failed': 'warn',
  'adapter.rolled-back': 'warn',
  'adapter.rollback-failed': 'error',
  'silo.joined': 'info',
  'silo.left': 'warn',
  'silo.set-aside': 'warn',
  'silo.back': 'info',
  'update.accepted': 'info',
  'update.refused': 'warn',
  'task.failed': 'warn',
  'task.carried': 'warn',
  'evaluation.received': 'info',
} as const satisfies Readonly<Record<string, LogLevel>>;

export type LogKind = keyof typeof LOG_KINDS;

/** What happened, in words. */
export interface LogLine {
  readonly kind: LogKind;
  /** 0 where it is about none. */
  readonly round: number;
  readonly silo?: string;
  readonly code?: string;
  readonly message: string;
}

/** A step told in words: what came, what failed, what the run does now. Pure. */
export function narrate(before: RunState, event: RunEvent, result: Step): readonly LogLine[] {
  const { state: after, effects, refusal } = result;
  const came = tellEvent(before, event, result);
  return [
    ...(refusal === undefined && came !== undefined ? [came] : []),
    ...(refusal !== undefined && event.type === 'update'
      ? [
          {
            kind: 'update.refused' as const,
            round: event.round,
            silo: event.silo,
            code: refusal.code,
            message: refusal.message,
          },
        ]
      : []),
    ...effects.flatMap((effect) => tellEffect(after, effect)),
    ...tellCarried(before, after),
    ...tellStandings(before, after),
    ...tellChange(before, after),
  ];
}

type Teller<T extends RunEvent['type']> = (
  before: RunState,
  event: RunEventOf<T>,
  after: RunState,
) => LogLine | undefined;

const TELLERS: { readonly [T in RunEvent['type']]: Teller<T> } = {
  tick: () => undefined,
  restarted: () => undefined,
  begin: (before) => ({
    kind: 'run.created',
    round: 0,
    message: `run ${before.runId} was created: ${plural(before.policy.rounds.count, 'round')}, at least ${plural(before.policy.rounds.minSilos, 'silo')} each`,
  }),
  join: (before, { silo, role }) =>
    [...before.trainers, ...before.evaluators].includes(silo)
      ? undefined
      : { kind: 'silo.joined', round: before.round, silo, message: `${role} ${silo} is connected` },
  leave: (before, { silo }) => ({
    kind: 'silo.left',
    round: before.round,
    silo,
    message: `${silo} is gone${isRoundOpen(before) ? ` in round ${before.round}` : ''}`,
  }),
  update: (_before, { silo, taskId, baseVersion, update }, after) => {
    const round = countingRound(after, taskId);
    const old = round - 1 - baseVersion;
    const how =
      old > 0
        ? `, ${plural(old, 'version')} old: ${Number(stalenessScale(after.policy.rounds.staleness, old).toFixed(4))} of its step`
        : '';
    const soFar = round === after.round ? `; ${doneTasks(after).length} so far` : '';
    return {
      kind: 'update.accepted',
      round,
      silo,
      message: `update of ${silo} for round ${round} is in (${plural(update.examples, 'example')}${how})${soFar}`,
    };
  },
  'task-failed': () => undefined, // its effect says it
  aggregated: () => undefined, // the change says it
  'aggregation-failed': ({ phase, round, rollback }, event) =>
    phase === 'aggregating' && round === event.round
      ? {
          kind: rollback === null ? 'round.aggregation-failed' : 'adapter.rollback-failed',
          round,
          code: event.code,
          message:
            rollback === null
              ? `round ${round} could not be aggregated: ${event.message}`
              : `version ${rollback.version} could not be published again: ${event.message}`,
        }
      : undefined,
  evaluated: (before, { silo, taskId }) => {
    const task = before.evaluations.find((entry) => entry.id === taskId);
    return (
      task && {
        kind: 'evaluation.received',
        round: task.version,
        silo,
        message: `${silo} has scored version ${task.version}`,
      }
    );
  },
  stop: () => undefined, // the change says it
  pause: (before, { reason, hold }) => ({
    kind: 'run.paused',
    round: before.round,
    message: `paused${hold ? ', the running round too' : ''}: ${reason}`,
  }),
  resume: (before) =>
    before.pause === null
      ? undefined
      : { kind: 'run.resumed', round: before.round, message: 'the run goes on' },
  rollback: (before, { version, reason }) => ({
    kind: 'adapter.rolled-back',
    round: before.version + 1,
    message: `version ${version} is published again as version ${before.version + 1}: ${reason}`,
  }),
};

function tellEvent(before: RunState, event: RunEvent, { state }: Step): LogLine | undefined {
  const teller = TELLERS[event.type] as Teller<RunEvent['type']>;
  return before.phase === 'done' && event.type !== 'rollback' ? undefined : teller(before, event, state);
}

function tellEffect({ round }: RunState, effect: Effect): LogLine[] {
  if (effect.type === 'failure') {
    const { silo, code, message } = effect;
    return [{ kind: 'task.failed', round, silo, code, message: `${silo}: ${message}` }];
  }
  if (effect.type === 'call-off')
    return [
      {
        kind: 'round.called-off',
        round: effect.round,
        message: `round ${effect.round} was called off; updates that were in are not counted`,
      },
    ];
  return [];
}

/** Tasks that were not answered in their round, and will be in the next. */
function tellCarried(before: RunState, after: RunState): LogLine[] {
  if (after.carried === before.carried) return [];
  // The same step may begin a round and close it: what was carried into it is carried on.
  const known = before.round === after.round ? before.tasks : [];
  const isLate = (tasks: RunState['tasks'], id: string): boolean =>
    tasks.some((task) => task.id === id && task.state === 'late');
  return after.carried
    .filter(({ id, state }) => state === 'assigned' && isLate(after.tasks, id) && !isLate(known, id))
    .map(({ silo }) => ({
      kind: 'task.carried',
      round: after.round,
      silo,
      message: `round ${after.round} does not wait for ${silo}: its update will count in round ${after.round + 1}`,
    }));
}

function tellStandings(before: RunState, after: RunState): LogLine[] {
  if (before.standings === after.standings) return [];
  return after.standings.flatMap(({ silo, failures, asideUntilMs, reason }): LogLine[] => {
    const was = before.standings.find((standing) => standing.silo === silo)?.asideUntilMs ?? 0;
    const { round } = after;
    if (asideUntilMs > 0 && was !== asideUntilMs)
      return [
        {
          kind: 'silo.set-aside',
          round,
          silo,
          message: `${silo} is set aside after ${plural(failures, 'failure')} in a row (${reason}); asked again from ${new Date(asideUntilMs).toISOString()}, or when it connects anew`,
        },
      ];
    return was > 0 && asideUntilMs === 0
      ? [{ kind: 'silo.back', round, silo, message: `${silo} is asked again` }]
      : [];
  });
}

function tellChange(before: RunState, after: RunState): LogLine[] {
  const lines: LogLine[] = [];
  const { round, attempt, phase, version, reason } = after;
  if (version > before.version)
    lines.push({ kind: 'round.published', round: version, message: `version ${version} is published` });
  if (before.phase === phase && before.round === round && before.attempt === attempt) return lines;
  if (phase === 'collecting') {
    const asked = after.tasks.filter((task) => task.state === 'assigned').map((task) => task.silo);
    lines.push({
      kind: attempt > 1 ? 'round.retried' : 'round.started',
      round,
      message: `round ${round} of ${lastVersion(after)}${attempt > 1 ? `, attempt ${attempt},` : ''} asks ${listed(asked)}`,
    });
  } else if (phase === 'aggregating' && after.rollback === null)
    lines.push({
      kind: 'round.aggregating',
      round,
      message: `round ${round} combines ${plural(doneTasks(after).length, 'update')}`,
    });
  else if (phase === 'waiting' && reason !== '' && after.pause === null)
    lines.push({ kind: 'run.waiting', round, message: reason });
  else if (phase === 'done' && before.outcome !== after.outcome)
    lines.push({
      kind: `run.${after.outcome ?? 'finished'}`,
      round,
      message: `the run has ${ENDED[after.outcome ?? 'finished']}${reason === '' ? '' : `: ${reason}`}`,
    });
  return lines;
}

const ENDED = { finished: 'finished', stopped: 'been stopped', failed: 'failed' } as const;

const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;

/** At most five names, so that a line stays one line however many silos there are. */
function listed(names: readonly string[]): string {
  const rest = names.length - 5;
  return names.slice(0, 5).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
}
