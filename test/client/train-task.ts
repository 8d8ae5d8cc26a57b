import type { TrainTask } from '../../src/rpc/gen/fedrot/v1/TrainTask.js';

/** A task as the coordinator would send it, for round 2. */
export const trainTask = (changes: Partial<TrainTask> = {}): TrainTask => ({
  runId: 'run',
  round: 2,
  adapter: { runId: 'run', version: 1, sha256: Buffer.alloc(32, 7), bytes: 10, merge: null, best: false },
  bundleSha256: 'b',
  specJson: '{}',
  instructionsJson: '',
  merges: [],
  deadlineMs: 5,
  ...changes,
});
