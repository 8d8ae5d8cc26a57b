import { float, int } from '../ir/attributes.js';
import type { NodeView } from '../autodiff/node-view.js';
import { CONTRIB, type Rewrite, type RewriteRule } from './rule.js';

/** epsilon's default in com.microsoft's skip and embedding norms. */
const EPSILON = 1e-12;

function norm(view: NodeView, op: string, x: string, parameters: readonly string[]): string {
  return view.emit.op(op, [x, ...parameters], {
    axis: int(-1),
    epsilon: float(view.float('epsilon', EPSILON)),
  });
}

/** The last outputs are never made in inference; where something reads them, that is another operator. */
function refuseStatistics(view: NodeView): void {
  if ([1, 2].some((output) => (view.node.outputs[output] ?? '') !== ''))
    view.refuse('mean or inverse deviation as outputs (training mode)');
}

/** LayerNormalization(input + skip + bias); output 3 is the sum. Inputs: input, skip, gamma, beta, bias. */
const skipLayerNormalization: Rewrite = (view) => {
  refuseStatistics(view);
  const sum = view.emit.add(view.x(0), view.x(1));
  const x = view.has(4) ? view.emit.add(sum, view.x(4)) : sum;
  const y = norm(view, 'LayerNormalization', x, view.has(3) ? [view.x(2), view.x(3)] : [view.x(2)]);
  return [y, undefined, undefined, x];
};

/** RMS norm of input + skip + bias; output 3 is the sum. Inputs: input, skip, gamma, bias. */
const skipSimplified: Rewrite = (view) => {
  refuseStatistics(view);
  const sum = view.emit.add(view.x(0), view.x(1));
  const x = view.has(3) ? view.emit.add(sum, view.x(3)) : sum;
  return [norm(view, 'SimplifiedLayerNormalization', x, [view.x(2)]), undefined, undefined, x];
};

/**
 * Word, position and segment embeddings, added and normalised. Inputs: input_ids, segment_ids, word, position and segment embedding,
 * gamma, beta, mask, position_ids. Outputs: y, the number of unmasked tokens by row, the sum.
 */
const embedLayerNormalization: Rewrite = (view) => {
  const { emit } = view;
  const row = (table: number, ids: string): string =>
    emit.op('Gather', [view.x(table), ids], { axis: int(0) });
  const positions = view.has(8)
    ? view.x(8)
    : emit.unsqueeze(emit.range(emit.dim(view.x(0), view.xDims(0), 1)), [0]);
  const words = emit.add(row(2, view.x(0)), row(3, positions));
  const sum = view.has(4) ? emit.add(words, row(4, view.x(1))) : words;
  const wanted = (view.node.outputs[1] ?? '') !== '';
  // Without a mask ONNX Runtime gives zeros.
  const count = !wanted
    ? undefined
    : view.has(7)
      ? emit.reduceSum(view.x(7), [1], false)
      : emit.zeros(emit.dim(view.x(0), view.xDims(0), 0), 'int32');
  return [norm(view, 'LayerNormalization', sum, [view.x(5), view.x(6)]), count, sum];
};

export const normRewrites: readonly RewriteRule[] = [
  {
    op: 'SkipLayerNormalization',
    domain: CONTRIB,
    versions: [1],
    rewrite: skipLayerNormalization,
    refuses: ['mean or deviation as outputs'],
  },
  {
    op: 'SkipSimplifiedLayerNormalization',
    domain: CONTRIB,
    versions: [1],
    rewrite: skipSimplified,
    refuses: ['mean or deviation as outputs'],
  },
  { op: 'EmbedLayerNormalization', domain: CONTRIB, versions: [1], rewrite: embedLayerNormalization },
];
