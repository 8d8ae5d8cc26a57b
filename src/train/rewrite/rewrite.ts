import { inlineConstants } from '../autodiff/constants.js';
import { Emitter } from '../autodiff/emitter.js';
import { NodeView } from '../autodiff/node-view.js';
import { GraphBuilder } from '../ir/builder.js';
import type { Model } from '../ir/graph.js';
import type { ValueTypes } from '../shapes/extent.js';
import { probeTypes } from '../shapes/probe.js';
import { findRewrite } from './table.js';

/** True where the model holds an operator that the table writes out. */
export function needsRewrite(model: Model): boolean {
  return model.graph.nodes.some((node) => findRewrite(node, model.opsets) !== undefined);
}

/**
 * The same model with compound operators (ai.onnx of opset 23 and 24, com.microsoft) written out in primitives that can be
 * differentiated. Values keep their names. `types` are those of this model. Throws op_unsupported for a form of an operator
 * that is not covered, naming it.
 */
export function rewriteModel(model: Model, types: ValueTypes): Model {
  const builder = GraphBuilder.from(model, { nodes: [] });
  const emit = new Emitter(builder, 'rewrite');
  const constants = inlineConstants(model.graph);
  for (const node of model.graph.nodes) {
    const found = findRewrite(node, model.opsets);
    if (found === undefined) {
      builder.append(node);
      continue;
    }
    const view = new NodeView(node, found.version, emit, types, constants);
    const values = found.rule.rewrite(view);
    node.outputs.forEach((output, i) => {
      if (output === '') return;
      const value = values[i];
      if (value === undefined) view.refuse(`output ${i}`);
      else builder.op('Identity', [value], {}, output);
    });
  }
  return builder.build();
}

/** rewriteModel where there is something to rewrite; infers types itself. `folder` holds external data. */
export async function withoutCompounds(model: Model, folder?: string): Promise<Model> {
  return needsRewrite(model) ? rewriteModel(model, await probeTypes(model, folder)) : model;
}
