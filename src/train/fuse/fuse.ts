import { inlineConstants } from '../autodiff/constants.js';
import { GraphBuilder } from '../ir/builder.js';
import type { Model } from '../ir/graph.js';
import { pruneTo } from '../ir/prune.js';
import type { ValueTypes } from '../shapes/extent.js';
import { gelu, quickGelu } from './activations.js';
import { Expressions } from './expressions.js';
import type { Fusion } from './fusion.js';
import { layerNormalization, rmsNormalization } from './norms.js';

/** Every expression that is recognised. */
const FUSIONS: readonly Fusion[] = [gelu, quickGelu, layerNormalization, rmsNormalization];

/**
 * The same model with activations and normalisations that exporters wrote out in primitives as one operator each, float32 only. ONNX
 * Runtime would do the same before inference; in a training graph it cannot, because gradients read the steps between. One operator is one
 * pass over memory and keeps one tensor for its gradient instead of three or four. Values keep their names; `types` are those of this model.
 */
export function fuseModel(model: Model, types: ValueTypes): Model {
  const expressions = new Expressions(model, types, inlineConstants(model.graph));
  const builder = GraphBuilder.from(model, { nodes: [] });
  for (const node of model.graph.nodes) {
    const output = node.outputs[0] ?? '';
    const candidate = node.domain === '' && node.outputs.length === 1 && types.type(output) === 'float';
    let fused;
    if (candidate)
      for (const fusion of FUSIONS) {
        fused = fusion(expressions, node);
        if (fused !== undefined) break;
      }
    if (fused === undefined) builder.append(node);
    else builder.op(fused.type, fused.inputs, fused.attributes ?? {}, output);
  }
  const built = builder.build();
  return pruneTo(built, built.graph.outputs);
}
