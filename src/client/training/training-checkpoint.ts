import type { SessionState } from '../../train/session-types.js';

/** A round's training after some of its steps: whoever goes on from here comes to what it would have come to. */
export interface TrainingCheckpoint {
  /** Steps done. */
  readonly step: number;
  /** What the metrics are made of. */
  readonly sums: StepSums;
  /** Without the anchor: it is the adapter that the round began with. */
  readonly state: Omit<SessionState, 'anchor'>;
}

export interface StepSums {
  /** Loss × labels. */
  readonly loss: number;
  readonly labels: number;
  readonly tokens: number;
  /** Wall time of the steps. */
  readonly seconds: number;
}

/** Where the training of one task is kept. */
export interface CheckpointStore {
  load(): Promise<TrainingCheckpoint | undefined>;
  /** Whether it is time to save again. */
  due(): boolean;
  /** Never throws: training that cannot be stored goes on. */
  save(checkpoint: TrainingCheckpoint): Promise<void>;
}
