import type { ErrorCode } from '../../errors.js';
import type { RoundDiagnostics } from '../../align/types.js';

/** What the worker is given: everything by path, so that nothing large crosses threads. */
export interface AggregationJob {
  readonly method: string;
  readonly options: unknown;
  readonly round: number;
  readonly seed: number;
  /** The adapter that the silos started from. */
  readonly previousPath: string;
  readonly updates: readonly JobUpdate[];
  /** Where the new adapter is written; durable when the worker answers. */
  readonly outputPath: string;
}

export interface JobUpdate {
  readonly silo: string;
  readonly weight: number;
  readonly path: string;
  /** Of the file, hex: what the silo sent and the coordinator acknowledged. */
  readonly sha256: string;
}

export interface AggregationOutcome {
  readonly sha256: string;
  readonly bytes: number;
  readonly diagnostics: RoundDiagnostics;
}

/** What comes back from the worker. */
export type AggregationAnswer =
  | { readonly outcome: AggregationOutcome }
  | { readonly error: { readonly code: ErrorCode; readonly message: string; readonly stack?: string } };
