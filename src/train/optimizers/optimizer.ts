/** What an optimizer remembers of one tensor; plain data, so that it can be stored. */
export interface OptimizerState {
  /** Updates done. */
  step: number;
  /** Moments, each of the tensor's size. */
  readonly slots: readonly Float32Array[];
}

/** Acts on one tensor at a time. */
export interface Optimizer {
  init(size: number): OptimizerState;
  /** Changes `parameter` and `state` in place; all of one size. `learningRate` replaces the specification's for this step. */
  update(state: OptimizerState, parameter: Float32Array, gradient: Float32Array, learningRate?: number): void;
}
