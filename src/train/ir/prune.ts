import type { Graph, Model, Node, TensorValue, ValueInfo } from './graph.js';

/** Names that a node reads, those of its sub-graphs included. */
export function readBy(node: Node): string[] {
  const names = node.inputs.filter((input) => input !== '');
  for (const attribute of Object.values(node.attributes))
    if (attribute.kind === 'graph') names.push(...readWithin(attribute.value));
  return names;
}

function readWithin(graph: Graph): string[] {
  return [...graph.nodes.flatMap(readBy), ...graph.outputs.map(({ name }) => name)];
}

/** The model with these outputs, and only the nodes, initializers and inputs that they need. */
export function pruneTo(model: Model, outputs: readonly ValueInfo[]): Model {
  const needed = new Set(outputs.map(({ name }) => name));
  const nodes: Node[] = [];
  for (const node of [...model.graph.nodes].reverse()) {
    if (!node.outputs.some((output) => needed.has(output))) continue;
    nodes.push(node);
    for (const name of readBy(node)) needed.add(name);
  }
  const initializers = new Map<string, TensorValue>(
    [...model.graph.initializers].filter(([name]) => needed.has(name)),
  );
  const inputs = model.graph.inputs.filter(({ name }) => needed.has(name));
  return { ...model, graph: { ...model.graph, nodes: nodes.reverse(), initializers, inputs, outputs } };
}
