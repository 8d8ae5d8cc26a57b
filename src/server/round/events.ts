import type { ErrorCode } from '../../errors.js';
import type { Score } from './scores.js';
import type { CountedUpdate } from './state.js';

/** Everything that can happen to a run; plain JSON. `at` is ms since the Unix epoch, by the coordinator's clock. */
export type RunEvent =
  | { readonly type: 'tick'; readonly at: number }
  /** The run is created: whoever is connected at that moment is in the state already, so that nobody is first. */
  | { readonly type: 'begin'; readonly at: number }
  | {
      readonly type: 'join';
      readonly at: number;
      readonly silo: string;
      readonly role: 'trainer' | 'evaluator';
      /** Training examples at hand, where it said so. */
      readonly examples?: number;
    }
  | { readonly type: 'leave'; readonly at: number; readonly silo: string }
  | {
      readonly type: 'update';
      readonly at: number;
      readonly silo: string;
      readonly round: number;
      readonly taskId: string;
      readonly baseVersion: number;
      readonly update: CountedUpdate;
    }
  | {
      readonly type: 'task-failed';
      readonly at: number;
      readonly silo: string;
      readonly taskId: string;
      readonly code: string;
      readonly message: string;
    }
  | { readonly type: 'aggregated'; readonly at: number; readonly round: number }
  | {
      readonly type: 'aggregation-failed';
      readonly at: number;
      readonly round: number;
      readonly code: ErrorCode;
      readonly message: string;
    }
  | {
      readonly type: 'evaluated';
      readonly at: number;
      readonly silo: string;
      readonly taskId: string;
      readonly score?: Score;
    }
  | { readonly type: 'stop'; readonly at: number; readonly reason: string }
  /** The coordinator was started again: its clock may not be the one of before. */
  | { readonly type: 'restarted'; readonly at: number }
  /** `hold`: the running round too. */
  | { readonly type: 'pause'; readonly at: number; readonly reason: string; readonly hold: boolean }
  | { readonly type: 'resume'; readonly at: number }
  /** The factors of `version` are to be published again, as the newest version. */
  | { readonly type: 'rollback'; readonly at: number; readonly version: number; readonly reason: string };

export type RunEventOf<T extends RunEvent['type']> = Extract<RunEvent, { type: T }>;
