import { inlineIf } from '../ir/inline-if.js';
import type { Model, Node } from '../ir/graph.js';
import { normalizeModel } from '../ir/normalize.js';
import { probeValues } from './probe.js';

/** Deeper nesting than any exporter makes. */
const MAX_ROUNDS = 16;

const SHAPE_OPS: ReadonlySet<string> = new Set(['Shape', 'Size']);

/** Values that depend on the inputs' sizes at most, not on what they hold. */
function sizeOnly(model: Model): ReadonlySet<string> {
  const known = new Set(model.graph.initializers.keys());
  for (const node of model.graph.nodes) {
    const fromSizes =
      (node.domain === '' && SHAPE_OPS.has(node.op)) ||
      (!hasSubgraph(node) && node.inputs.every((input) => input === '' || known.has(input)));
    if (fromSizes) for (const output of node.outputs) known.add(output);
  }
  return known;
}

function hasSubgraph(node: Node): boolean {
  return Object.values(node.attributes).some(({ kind }) => kind === 'graph');
}

/**
 * The same model without the If nodes that ask about sizes only (is this dimension 1? do these two agree?) and answer the same at
 * both probed sizes: the branch that is taken stands in their place. The legacy exporter writes them for squeeze and for scripted
 * functions. Conditions that depend on what the inputs hold stay, and are refused where a gradient would have to pass them.
 * `folder` holds external data.
 */
export async function withoutBranches(model: Model, folder?: string): Promise<Model> {
  let current = model;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const asked = conditionsOf(current);
    if (asked.length === 0) return current;
    const runs = await probeValues(current, asked, folder);
    const answers = new Map<string, boolean>();
    for (const name of asked) {
      const [first, second] = runs.map((results) => results[name]?.data[0]);
      if (first !== undefined && first === second) answers.set(name, Number(first) !== 0);
    }
    const next = inlineIf(current, (value) => answers.get(value));
    if (next === current) return current;
    current = normalizeModel(next, folder);
  }
  return current;
}

function conditionsOf(model: Model): string[] {
  const conditions = model.graph.nodes.flatMap(({ op, domain, inputs: [condition] }) =>
    op === 'If' && domain === '' && condition !== undefined ? [condition] : [],
  );
  if (conditions.length === 0) return [];
  const known = sizeOnly(model);
  return [...new Set(conditions)].filter((name) => known.has(name));
}
