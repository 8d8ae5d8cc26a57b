import { closeSync, existsSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import type { Trial } from './grid.js';

/** One published version of a trial; shares from 0 to 1, null where it was not measured. */
export interface VersionResult {
  readonly version: number;
  readonly accuracy: number | null;
  /** By silo: of its model on the examples that it kept from training. Absent where that was not measured. */
  readonly silos?: Readonly<Record<string, number>> | undefined;
  /** On the test set; nats. */
  readonly loss: number | null;
  /** Mean of the silos' training losses, weighted by examples. */
  readonly trainLoss: number | null;
  /** Squared and relative to ‖ΔW*‖²: of the method, of plain averaging of the same updates, of the best rank-r product. */
  readonly squaredError: number | null;
  readonly squaredErrorFedit: number | null;
  readonly squaredErrorBound: number | null;
  /** Sum over modules of ‖B̃Ã − ΔW*‖², without the scale. */
  readonly absoluteSquaredError: number | null;
  /** Mean over modules and silos of how far a silo's basis is from the published one, 0 to 1. */
  readonly misalignment: number | null;
  /** Mean of the λ that modules used. */
  readonly lambda: number | null;
}

/** A line of results.jsonl. */
export interface TrialResult {
  readonly id: string;
  readonly trial: Trial;
  readonly outcome: 'finished' | 'failed';
  /** Why it failed; else ''. */
  readonly reason: string;
  readonly versions: readonly VersionResult[];
  /** Trainings of a silo that diverged. */
  readonly failures: number;
  /** Wall time, training that other trials had done already left out. */
  readonly seconds: number;
  readonly software: string;
}

/** All results of a file, in its order; what a crash left of a last line is not one. */
export function readResults(path: string): TrialResult[] {
  if (!existsSync(path)) return [];
  return readFileSync(path, 'utf8')
    .split('\n')
    .flatMap((line) => {
      try {
        return line.trim() === '' ? [] : [JSON.parse(line) as TrialResult];
      } catch {
        return [];
      }
    });
}

/** Appends a line and has it on the disk before it returns. A line that a crash cut off is ended first. */
export function appendResult(path: string, result: TrialResult): void {
  const cutOff = existsSync(path) && !/(^|\n)$/.test(readFileSync(path, 'utf8'));
  const descriptor = openSync(path, 'a');
  try {
    writeSync(descriptor, `${cutOff ? '\n' : ''}${JSON.stringify(result)}\n`);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
