import type { ElementType } from './ir/graph.js';
import type { Extent } from './shapes/extent.js';

/** The value that a loss is taken of. */
export interface Logits {
  readonly name: string;
  readonly type: ElementType;
  /** [..., classes] for cross-entropy; any shape for the squared error. */
  readonly dims: readonly Extent[];
}

/** A loss as values of the graph. */
export interface LossNodes {
  /** Sum over the labels that count, in the logits' type; a scalar. */
  readonly lossSum: string;
  /** How many labels count, in the logits' type; a scalar. */
  readonly count: string;
  /** lossSum / count; 0 where no label counts. */
  readonly loss: string;
  /** Gradient of `loss` with respect to the logits. */
  readonly gradient: () => string;
}
