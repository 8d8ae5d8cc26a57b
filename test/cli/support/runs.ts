import type { Evaluation } from '../../../src/rpc/gen/fedrot/v1/Evaluation.js';
import type { RoundRecord } from '../../../src/rpc/gen/fedrot/v1/RoundRecord.js';
import type { Run } from '../../../src/rpc/gen/fedrot/v1/Run.js';

/** A run as the coordinator tells it: running, three rounds planned. */
export const snapshot = (parts: Partial<Run> = {}): Run => ({
  runId: 'spam',
  name: 'spam',
  state: 'RUN_STATE_RUNNING',
  reason: '',
  round: 1,
  totalRounds: 3,
  phase: 'collecting',
  createdMs: 1_000,
  deadlineMs: 0,
  specJson: '',
  rounds: [],
  silos: [],
  evaluations: [],
  paused: false,
  lastEvent: 0,
  version: 0,
  ...parts,
});

export const evaluation = (
  version: number,
  accuracy: number,
  { examples = 200 }: { examples?: number } = {},
): Evaluation => ({ silo: 'evaluator', version, examples, accuracy, loss: 1 - accuracy, metrics: {} });

/** A finished round of four seconds. */
export function round(
  number: number,
  { losses = [0.4, 0.6], examples = [100, 100] }: { losses?: number[]; examples?: number[] } = {},
): RoundRecord {
  return {
    round: number,
    startedMs: 10_000 * number,
    publishedMs: 10_000 * number + 4_000,
    updates: losses.map((loss, index) => ({
      silo: `silo-${index + 1}`,
      sha256: Buffer.alloc(32, index),
      staleness: 0,
      examples: examples[index] ?? 0,
      loss,
      seconds: 3,
      bytes: 1000,
      steps: 20,
    })),
    adapter: {
      runId: 'spam',
      version: number,
      sha256: Buffer.alloc(32, 7),
      bytes: 1200,
      merge: null,
      best: false,
    },
    diagnosis: 'done',
    diagnosticsJson: JSON.stringify({ aggregationError: 0.25, aggregationErrorFedit: 0.5, modules: [] }),
    bytesReceived: 2000,
    failures: [],
    rollback: null,
  };
}
