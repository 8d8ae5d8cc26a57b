import type { Graph, TensorValue } from '../ir/graph.js';
import type { Constants } from './node-view.js';

/** Initializers whose bytes are in memory. (Constant nodes have become initializers before: ir/normalize.ts.) */
export function inlineConstants(graph: Graph): Constants {
  return {
    constant(value): TensorValue | undefined {
      const tensor = graph.initializers.get(value);
      return tensor?.data.kind === 'inline' ? tensor : undefined;
    },
    stored: (value) => graph.initializers.get(value),
  };
}
