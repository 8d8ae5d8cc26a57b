import type { GraphBuilder } from './ir/builder.js';
import { crossEntropy } from './cross-entropy.js';
import type { ElementType } from './ir/graph.js';
import type { Logits, LossNodes } from './loss-nodes.js';
import { meanSquaredError } from './mean-squared-error.js';

/** cross-entropy: classes of a text, of its tokens, or the next token. mean-squared-error: numbers. */
export type LossKind = 'cross-entropy' | 'mean-squared-error';

interface Loss {
  /** Element type of the labels. */
  readonly labels: (logits: ElementType) => ElementType;
  /** Dimensions that the labels lack: the classes. */
  readonly without: number;
  readonly build: (builder: GraphBuilder, logits: Logits, labels: string) => LossNodes;
}

export const LOSSES: Readonly<Record<LossKind, Loss>> = {
  'cross-entropy': { labels: () => 'int64', without: 1, build: crossEntropy },
  'mean-squared-error': { labels: (logits) => logits, without: 0, build: meanSquaredError },
};
