import { FedrotError } from '../errors.js';
import { findRule, stopsGradient } from './autodiff/table.js';
import { isFloating, elementTypeOf } from './ir/element-type.js';
import type { Graph, Model, Node } from './ir/graph.js';
import { readBy } from './ir/prune.js';
import { findRewrite } from './rewrite/table.js';
import { logitsOf } from './training-graph.js';

/** Something that gradients cannot pass. */
export interface Obstacle {
  /** With its domain where that is not ai.onnx. */
  readonly op: string;
  readonly node: string;
  /** Opset of the operator's domain. */
  readonly opset: number;
  /** Whole sentence: op, node, opset and why. */
  readonly message: string;
}

/** Ops whose outputs are integers or booleans, whatever they read. */
const DISCRETE: ReadonlySet<string> = new Set([
  ...[
    'Equal',
    'Greater',
    'GreaterOrEqual',
    'Less',
    'LessOrEqual',
    'And',
    'Or',
    'Xor',
    'Not',
    'IsNaN',
    'IsInf',
  ],
  ...['ArgMax', 'ArgMin', 'NonZero', 'Shape', 'Size', 'QuantizeLinear', 'DynamicQuantizeLinear'],
]);

/** Whether nothing of what the node reads is left to differentiate in what it writes: sizes, comparisons, integers. */
export function endsGradient(node: Node): boolean {
  if (node.domain !== '') return false;
  if (DISCRETE.has(node.op) || stopsGradient(node)) return true;
  const to = node.op === 'Cast' ? node.attributes.to : undefined;
  return to?.kind === 'int' && !isFloating(elementTypeOf(to.value, `Cast node "${node.name}"`));
}

function hasSubgraph(node: Node): boolean {
  return Object.values(node.attributes).some(({ kind }) => kind === 'graph');
}

/** Nodes that the output depends on. */
function neededBy(graph: Graph, output: string): Set<Node> {
  const values = new Set([output]);
  const nodes = new Set<Node>();
  for (const node of [...graph.nodes].reverse()) {
    if (!node.outputs.some((name) => values.has(name))) continue;
    nodes.add(node);
    for (const name of readBy(node)) values.add(name);
  }
  return nodes;
}

/**
 * Everything between the wanted values (initializers or graph inputs) and the logits that has no gradient. Looks at operators only;
 * building the training graph may still refuse a form of one. Empty for a model that can be trained.
 */
export function findObstacles(model: Model, wanted: readonly string[]): Obstacle[] {
  const active = new Set(wanted);
  const needed = neededBy(model.graph, logitsOf(model).name);
  const obstacles: Obstacle[] = [];
  for (const node of model.graph.nodes) {
    if (!needed.has(node) || !readBy(node).some((name) => active.has(name)) || endsGradient(node)) continue;
    for (const output of node.outputs) if (output !== '') active.add(output);
    const opset = model.opsets.get(node.domain) ?? 1;
    const op = node.domain === '' ? node.op : `${node.domain}::${node.op}`;
    const add = (message: string): void => {
      obstacles.push({ op, node: node.name, opset, message });
    };
    if (hasSubgraph(node))
      add(
        `${op} node "${node.name}" (opset ${opset} of ${node.domain || 'ai.onnx'}): control flow cannot be differentiated`,
      );
    else if (findRewrite(node, model.opsets) === undefined)
      try {
        findRule(node, model.opsets);
      } catch (error) {
        if (!(error instanceof FedrotError)) throw error;
        add(error.message);
      }
  }
  return obstacles;
}

/** How many obstacles a message lists. */
const LISTED = 5;

/**
 * Throws op_unsupported where gradients of the wanted values (initializers or graph inputs) cannot be computed, naming op, node and opset
 * of what is in the way. docs/ops.md lists what can be differentiated.
 */
export function checkTrainable(model: Model, wanted: readonly string[]): void {
  const obstacles = findObstacles(model, wanted);
  if (obstacles.length === 0) return;
  const more = obstacles.length > LISTED ? ` … and ${obstacles.length - LISTED} more` : '';
  const listed = obstacles.slice(0, LISTED).map(({ message }) => message);
  throw new FedrotError('op_unsupported', `the model cannot be trained: ${listed.join('; ')}${more}`, {
    details: { obstacles },
  });
}
