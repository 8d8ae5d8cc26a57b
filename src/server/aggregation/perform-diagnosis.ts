import { diagnose } from '../../align/aggregate.js';
import type { RoundDiagnostics } from '../../align/types.js';
import type { RoundJob } from './aggregation-job.js';
import { OpenFiles } from './open-files.js';

/** Measures a published round from its stored updates. Synchronous: for a worker thread. `between`: see diagnose. */
export function performDiagnosis(job: RoundJob, between?: () => void): RoundDiagnostics {
  const files = new OpenFiles();
  try {
    const { method, options, robust, round, seed } = job;
    const previous = files.open(job.previousPath);
    const input = { method, options, robust, round, seed, previous, updates: files.updates(job) };
    return diagnose(input, undefined, undefined, between);
  } finally {
    files.close();
  }
}
