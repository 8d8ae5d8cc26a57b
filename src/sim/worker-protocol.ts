import type { ErrorCode } from '../errors.js';
import type { Trial } from './grid.js';
import type { TrialResult } from './results.js';
import type { DataSpec } from './study.js';

/** A data set as a worker opens it. */
export interface WorkerData {
  readonly spec: DataSpec;
  /** The field that partitions go by, where one does. */
  readonly group?: string | undefined;
  readonly bundleFolder: string;
}

export interface WorkerSetup {
  readonly data: readonly WorkerData[];
  /** For activations and what trials share. */
  readonly cache: string;
}

export type Job =
  /** Computes the frozen layers of a data set for some adapted modules, unless that is done. */
  | { readonly kind: 'prepare'; readonly trial: Trial }
  | { readonly kind: 'trial'; readonly id: string; readonly trial: Trial };

export type WorkerReply =
  | { readonly kind: 'round'; readonly round: number }
  | { readonly kind: 'done'; readonly result?: TrialResult }
  | { readonly kind: 'error'; readonly code: ErrorCode; readonly message: string; readonly stack?: string };
