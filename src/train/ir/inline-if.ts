import type { Graph, Model, Node, TensorValue } from './graph.js';

/** Nodes of a branch in the graph around it: values of its own get names of their own. */
function unfold(node: Node, branch: Graph, initializers: Map<string, TensorValue>): Node[] {
  const prefix = `${node.outputs[0] ?? node.name}/branch/`;
  const own = new Set<string>(branch.initializers.keys());
  for (const { outputs } of branch.nodes) for (const output of outputs) if (output !== '') own.add(output);
  const renamed = (names: ReadonlySet<string>, name: string): string =>
    names.has(name) ? `${prefix}${name}` : name;
  for (const [name, value] of branch.initializers) initializers.set(`${prefix}${name}`, value);
  const nodes = branch.nodes.map((inner, i) => ({
    ...rename(inner, own, renamed),
    name: `${prefix}${i}/${inner.name}`,
  }));
  const results = node.outputs.flatMap((output, i): Node[] =>
    output === ''
      ? []
      : [
          {
            op: 'Identity',
            domain: '',
            name: `${prefix}output/${i}`,
            inputs: [renamed(own, branch.outputs[i]?.name ?? '')],
            outputs: [output],
            attributes: {},
          },
        ],
  );
  return [...nodes, ...results];
}

type Renamed = (names: ReadonlySet<string>, name: string) => string;

function rename(node: Node, own: ReadonlySet<string>, renamed: Renamed): Node {
  const attributes = Object.fromEntries(
    Object.entries(node.attributes).map(([key, attribute]) => [
      key,
      attribute.kind === 'graph' ? { ...attribute, value: within(attribute.value, own, renamed) } : attribute,
    ]),
  );
  return {
    ...node,
    inputs: node.inputs.map((name) => renamed(own, name)),
    outputs: node.outputs.map((name) => renamed(own, name)),
    attributes,
  };
}

/** A graph inside a branch reads the branch's values; names that it defines itself hide them. */
function within(graph: Graph, outer: ReadonlySet<string>, renamed: Renamed): Graph {
  const hidden = new Set([...graph.inputs.map(({ name }) => name), ...graph.initializers.keys()]);
  for (const { outputs } of graph.nodes) for (const output of outputs) hidden.add(output);
  const seen = new Set([...outer].filter((name) => !hidden.has(name)));
  return {
    ...graph,
    nodes: graph.nodes.map((node) => rename(node, seen, renamed)),
    outputs: graph.outputs.map((output) => ({ ...output, name: renamed(seen, output.name) })),
  };
}

/**
 * The same model with the branch that is taken in place of every If whose condition is known. `conditions`: what is known of values
 * that are conditions; undefined for others, which stay.
 */
export function inlineIf(model: Model, conditions: (value: string) => boolean | undefined): Model {
  const initializers = new Map(model.graph.initializers);
  const nodes: Node[] = [];
  let found = false;
  for (const node of model.graph.nodes) {
    const taken = node.op === 'If' && node.domain === '' ? conditions(node.inputs[0] ?? '') : undefined;
    const branch = taken === undefined ? undefined : node.attributes[taken ? 'then_branch' : 'else_branch'];
    if (branch?.kind !== 'graph') nodes.push(node);
    else {
      found = true;
      nodes.push(...unfold(node, branch.value, initializers));
    }
  }
  return found ? { ...model, graph: { ...model.graph, nodes, initializers } } : model;
}
