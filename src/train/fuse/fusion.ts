import type { Attributes } from '../ir/builder.js';
import type { Node } from '../ir/graph.js';
import type { Expressions } from './expressions.js';

/** One operator that computes what a node and those before it compute. */
export interface Fused {
  /** With its domain, as GraphBuilder.op takes it. */
  readonly type: string;
  readonly inputs: readonly string[];
  readonly attributes?: Attributes;
}

/** Recognises the last node of an expression; undefined where it is another. */
export type Fusion = (expressions: Expressions, node: Node) => Fused | undefined;
