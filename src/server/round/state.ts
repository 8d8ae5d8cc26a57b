import type { RunSpec } from '../../run-spec.js';
import type { VersionScore } from './scores.js';

/** What the reducer must know of a run's specification. */
export type RoundPolicy = Pick<RunSpec, 'rounds' | 'evaluation' | 'seed'>;

export type Phase = 'waiting' | 'collecting' | 'aggregating' | 'evaluating' | 'done';
export type Outcome = 'finished' | 'stopped' | 'failed';

/** One silo's training task in the current round. `late`: the round closed without it. */
export interface TaskState {
  readonly silo: string;
  /** Unique; a task sent again keeps its id, a task tried anew gets another one. */
  readonly id: string;
  readonly state: 'assigned' | 'done' | 'failed' | 'late';
  /** How often this silo has been given the round's work, from 1. */
  readonly tries: number;
  /** The counted update, once done. */
  readonly update?: CountedUpdate;
  /** Why it failed or came too late. */
  readonly message?: string;
  /** When it was given out (again), ms since the Unix epoch. */
  readonly assignedMs?: number;
  /** The round that it was given out for; absent: the current one. */
  readonly round?: number;
  /** The version that it begins from; absent: the one before the current round. */
  readonly baseVersion?: number;
}

/** What the run remembers of a silo across rounds. */
export interface Standing {
  readonly silo: string;
  /** Training examples that it said it has; 0 where it did not. */
  readonly examples: number;
  /** The round that last asked it; 0 none. */
  readonly askedRound: number;
  /** How many rounds have asked it. */
  readonly asks: number;
  /** Failures and missed deadlines in a row. */
  readonly failures: number;
  /** Not asked before this time, ms since the Unix epoch; 0 where it is not set aside. */
  readonly asideUntilMs: number;
  /** Of the last failure. */
  readonly reason: string;
}

export interface CountedUpdate {
  /** Hex; names the file in the spool. */
  readonly sha256: string;
  readonly examples: number;
  /** Serial of the certificate that the silo sent it with; without TLS there is none. */
  readonly certificate?: string;
}

/** An evaluation that has been asked for and not answered. */
export interface EvaluationTask {
  readonly silo: string;
  readonly id: string;
  readonly version: number;
  readonly deadlineMs: number;
}

/** An operator has paused the run. */
export interface Pause {
  readonly reason: string;
  /** The open round is held too: its time stands still. */
  readonly hold: boolean;
  /** What is left of the held round's time, ms; 0 where none was running. */
  readonly leftMs: number;
}

/** An old version is being published again. */
export interface Rollback {
  readonly version: number;
  readonly reason: string;
}

/**
 * Everything that decides what a run does next: plain JSON, so that it is stored as it is.
 * `round` is `version` while the newest round is published, and `version + 1` while a round is open.
 */
export interface RunState {
  readonly runId: string;
  readonly policy: RoundPolicy;
  readonly phase: Phase;
  /** Null until the run is done. */
  readonly outcome: Outcome | null;
  /** Why the run waits, was stopped or failed; empty where there is nothing to say. */
  readonly reason: string;
  /** From 1; 0 before the first. */
  readonly round: number;
  /** Of the round, from 1; 0 before the first. */
  readonly attempt: number;
  /** Newest published version; 0 is the initial adapter. */
  readonly version: number;
  /** When the round began, ms since the Unix epoch; 0 before the first. */
  readonly startedMs: number;
  /**
   * When the phase changes by itself: the deadline of collecting, the end of waiting for evaluators, the earliest
   * start of a further attempt, the next try of a failed aggregation. 0: never.
   */
  readonly dueMs: number;
  /** Connected silos by role, in order of name. */
  readonly trainers: readonly string[];
  readonly evaluators: readonly string[];
  /** Of the current round, in order of the silos' names. */
  readonly tasks: readonly TaskState[];
  /**
   * Tasks whose updates will count in the next round, in order of the silos' names: late ones that are carried, and in asynchronous mode
   * what silos do after they have delivered to the current round.
   */
  readonly carried: readonly TaskState[];
  readonly evaluations: readonly EvaluationTask[];
  /** The newest version that each evaluator was asked to score. */
  readonly asked: readonly (readonly [silo: string, version: number])[];
  /** Of the versions that were scored, in order; absent in runs of before there were any. */
  readonly scores?: readonly VersionScore[];
  readonly pause: Pause | null;
  /** While it is being published: the phase is aggregating. An outcome that is there already stays. */
  readonly rollback: Rollback | null;
  /** In order of name. */
  readonly standings: readonly Standing[];
  /** How long silos took for the last counted updates, ms, oldest first. */
  readonly answerMs: readonly number[];
  /** Rollbacks so far: each took the number of a round, and the run has so many more. */
  readonly rollbacks: number;
}

/** Silos that are connected when a run is created, by role. */
export type Connected = Pick<RunState, 'trainers' | 'evaluators'> & Partial<Pick<RunState, 'standings'>>;

/** A run before its first event, which is `begin`. */
export function initialState(
  runId: string,
  policy: RoundPolicy,
  connected: Connected = { trainers: [], evaluators: [] },
): RunState {
  return {
    runId,
    policy: { rounds: policy.rounds, evaluation: policy.evaluation, seed: policy.seed },
    phase: 'waiting',
    outcome: null,
    reason: '',
    round: 0,
    attempt: 0,
    version: 0,
    startedMs: 0,
    dueMs: 0,
    trainers: [...connected.trainers].sort(),
    evaluators: [...connected.evaluators].sort(),
    tasks: [],
    carried: [],
    evaluations: [],
    asked: [],
    pause: null,
    rollback: null,
    rollbacks: 0,
    standings: (connected.standings ?? []).filter(({ examples }) => examples > 0),
    answerMs: [],
  };
}

/** The number that the last version will have. */
export function lastVersion({ policy, rollbacks }: Pick<RunState, 'policy' | 'rollbacks'>): number {
  return policy.rounds.count + rollbacks;
}
