import type { ErrorCode } from '../../errors.js';
import type { RunState } from './state.js';

/** What the shell has to do after a step. Assignments and cancellations only notify: the state is what counts. */
export type Effect =
  | { readonly type: 'assign'; readonly silo: string; readonly taskId: string }
  | { readonly type: 'cancel'; readonly silo: string; readonly taskId: string; readonly reason: string }
  /** To compute and publish the round's version; where the state says rollback, that of an old one again. */
  | { readonly type: 'aggregate'; readonly round: number }
  /** The round will not be published with the updates that it has: they, and what was in for a later one, are to be recorded as not counted. */
  | { readonly type: 'call-off'; readonly round: number }
  /** To be recorded: a silo failed, or did not answer in time. */
  | {
      readonly type: 'failure';
      readonly silo: string;
      readonly taskId: string;
      readonly code: string;
      readonly message: string;
    };

/** Why an event was not taken; the state is as if it had never been sent. */
export interface Refusal {
  readonly code: ErrorCode;
  readonly message: string;
}

export interface Step {
  readonly state: RunState;
  readonly effects: readonly Effect[];
  readonly refusal?: Refusal;
}
