import type { NodeView } from '../autodiff/node-view.js';

/** Emits simpler nodes that compute the same; returns the values of the node's outputs, undefined where it makes none. */
export type Rewrite = (view: NodeView) => readonly (string | undefined)[];

/** One line of the table: which operator is written out, and how. */
export interface RewriteRule {
  readonly op: string;
  /** Default '', ai.onnx. */
  readonly domain?: string;
  /** "Since" versions of the operator that this line covers. */
  readonly versions: readonly number[];
  /** Forms that are refused, for the documents. */
  readonly refuses?: readonly string[];
  readonly rewrite: Rewrite;
}

export const CONTRIB = 'com.microsoft';
