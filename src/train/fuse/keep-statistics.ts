import { GraphBuilder } from '../ir/builder.js';
import type { Model } from '../ir/graph.js';
import { positiveAxis, type Extent, type ValueTypes } from '../shapes/extent.js';
import { numberOf } from '../weight-uses.js';

/** Outputs behind the first that hold what gradients need: mean and inverse deviation, or the inverse root mean square. */
const STATISTICS: Readonly<Record<string, readonly string[]>> = {
  LayerNormalization: ['mean', 'inverse'],
  SimplifiedLayerNormalization: ['inverse'],
};

/**
 * The same model whose float32 normalisations give out the statistics that they compute anyway (onnx, LayerNormalization: Mean and
 * InvStdDev; ONNX Runtime's SimplifiedLayerNormalization: inv_std_var), so that gradients need not compute them again. For training graphs.
 */
export function keepStatistics(model: Model, types: ValueTypes): { model: Model; types: ValueTypes } {
  const builder = GraphBuilder.from(model, { nodes: [] });
  const added = new Map<string, readonly Extent[]>();
  for (const node of model.graph.nodes) {
    const names = node.domain === '' ? STATISTICS[node.op] : undefined;
    const [y = ''] = node.outputs;
    if (node.outputs.length !== 1 || names === undefined || types.type(y) !== 'float') {
      builder.append(node);
      continue;
    }
    const dims = types.dims(y);
    const first = positiveAxis(numberOf(node, 'axis', -1), dims.length);
    const outputs = names.map((name) => builder.fresh(`${y}/${name}`));
    for (const output of outputs)
      added.set(
        output,
        dims.map((extent, axis) => (axis < first ? extent : 1)),
      );
    builder.append({ ...node, outputs: [y, ...outputs] });
  }
  return {
    model: builder.build(),
    types: {
      has: (value) => added.has(value) || types.has(value),
      type: (value) => (added.has(value) ? 'float' : types.type(value)),
      dims: (value) => added.get(value) ?? types.dims(value),
    },
  };
}
