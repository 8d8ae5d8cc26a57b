import { FedrotError } from '../../errors.js';
import type { GraphBuilder } from '../ir/builder.js';
import { isFloating } from '../ir/element-type.js';
import type { Model, Node } from '../ir/graph.js';
import type { ValueTypes } from '../shapes/extent.js';
import { Emitter } from './emitter.js';
import type { Constants } from './node-view.js';
import { Call } from './rule.js';
import { findRule, stopsGradient } from './table.js';

export interface DifferentiateOptions {
  /** The model whose nodes are walked. */
  readonly model: Model;
  /** Holds the model's nodes already (GraphBuilder.from); gradient nodes are appended. */
  readonly builder: GraphBuilder;
  readonly types: ValueTypes;
  readonly constants: Constants;
  /** Gradients to start from, by value: usually that of the logits. */
  readonly seeds: ReadonlyMap<string, string>;
  /** Values (graph inputs or initializers) whose gradients are wanted. */
  readonly wanted: readonly string[];
}

/**
 * Reverse mode over an ONNX graph: emits the gradient of Σ seed · value with respect to every wanted value, and
 * visits only nodes on a path from a wanted value to a seed. Returns the gradients' names by wanted value; a wanted value that
 * no seed depends on is left out. Throws op_unsupported for a node on such a path whose op has no rule.
 */
export function differentiate(options: DifferentiateOptions): Map<string, string> {
  const { model, builder, types, constants, seeds, wanted } = options;
  const emit = new Emitter(builder);
  const active = activeValues(model, types, wanted);
  const gradients = new Map<string, string>();
  for (const [value, seed] of seeds) accumulate(value, seed);

  function accumulate(value: string, gradient: string): void {
    const before = gradients.get(value);
    gradients.set(value, before === undefined ? gradient : emit.add(before, gradient));
  }

  for (const node of [...model.graph.nodes].reverse()) {
    const outputGradients = node.outputs.map((output) =>
      active.has(output) ? gradients.get(output) : undefined,
    );
    if (outputGradients.every((gradient) => gradient === undefined)) continue;
    const rule = findRule(node, model.opsets);
    const wants = node.inputs.map((input) => active.has(input));
    const call = new Call(node, rule.version, emit, types, constants, outputGradients, wants);
    rule.gradient(call).forEach((gradient, i) => {
      const input = node.inputs[i];
      if (gradient !== undefined && input !== undefined && wants[i] === true) accumulate(input, gradient);
    });
    // A gradient that has been passed on is not needed again; wanted values are never a node's outputs.
    for (const output of node.outputs) gradients.delete(output);
  }
  return new Map(
    wanted.flatMap((value) => {
      const gradient = gradients.get(value);
      return gradient === undefined ? [] : [[value, gradient] as const];
    }),
  );
}

/** Values that depend on a wanted one through floating-point values. */
function activeValues(model: Model, types: ValueTypes, wanted: readonly string[]): Set<string> {
  const active = new Set(wanted);
  for (const node of model.graph.nodes) {
    if (!dependsOn(node, active) || stopsGradient(node)) continue;
    for (const output of node.outputs)
      if (output !== '' && isFloating(types.type(output))) active.add(output);
  }
  return active;
}

function dependsOn(node: Node, active: ReadonlySet<string>): boolean {
  for (const attribute of Object.values(node.attributes))
    if (attribute.kind === 'graph' && attribute.value.nodes.some((inner) => dependsOn(inner, active)))
      throw new FedrotError(
        'op_unsupported',
        `${node.op} node "${node.name}": control flow cannot be differentiated; export the model without it`,
      );
  return node.inputs.some((input) => active.has(input));
}
