import { GraphBuilder } from '../../../src/train/ir/builder.js';
import type { Model, Node } from '../../../src/train/ir/graph.js';
import { doubleTensor } from '../../../src/train/ir/tensor-value.js';

/**
 * ONNX Runtime has no float64 Erf and no float64 Gelu. For checks both are written out after differentiation:
 * erf(x) = 2/√π · x · exp(−x²) · Σ (2x²)ⁿ / (2n+1)!!, whose terms are all positive, exact to rounding for |x| ≤ 5.
 */
export function expandErf(model: Model): Model {
  const builder = GraphBuilder.from(model, { nodes: [] });
  const scalar = (value: number): string => builder.constant(doubleTensor([], [value]));
  const erf = (x: string, output?: string): string => {
    const square = builder.op('Mul', [x, x]);
    const twice = builder.op('Mul', [square, scalar(2)]);
    let sum = scalar(1);
    for (let n = 90; n > 0; n--)
      sum = builder.op('Add', [
        builder.op('Mul', [builder.op('Mul', [twice, sum]), scalar(1 / (2 * n + 1))]),
        scalar(1),
      ]);
    const bell = builder.op('Exp', [builder.op('Neg', [square])]);
    const scaled = builder.op('Mul', [builder.op('Mul', [x, bell]), scalar(2 / Math.sqrt(Math.PI))]);
    return output === undefined
      ? builder.op('Mul', [scaled, sum])
      : builder.op('Mul', [scaled, sum], {}, output);
  };
  const gelu = (node: Node): void => {
    const x = node.inputs[0] ?? '';
    const { approximate } = node.attributes;
    let inner: string;
    if (approximate?.kind === 'string' && approximate.value === 'tanh') {
      const cube = builder.op('Mul', [builder.op('Mul', [x, x]), x]);
      const sum = builder.op('Add', [x, builder.op('Mul', [cube, scalar(0.044715)])]);
      inner = builder.op('Tanh', [builder.op('Mul', [sum, scalar(Math.sqrt(2 / Math.PI))])]);
    } else inner = erf(builder.op('Mul', [x, scalar(Math.SQRT1_2)]));
    const cdf = builder.op('Mul', [builder.op('Add', [inner, scalar(1)]), scalar(0.5)]);
    builder.op('Mul', [x, cdf], {}, node.outputs[0] ?? '');
  };
  for (const node of model.graph.nodes) {
    if (node.op === 'Erf') erf(node.inputs[0] ?? '', node.outputs[0] ?? '');
    else if (node.op === 'Gelu') gelu(node);
    else builder.append(node);
  }
  return builder.build();
}
