import type { NodeView } from '../autodiff/node-view.js';
import { CONTRIB, type Rewrite, type RewriteRule } from './rule.js';

const scalar = (view: NodeView, value: number): string => view.emit.scalar(view.type(view.x(0)), value);

/** x + bias where there is one. */
function biased(view: NodeView, bias: number): string {
  return view.has(bias) ? view.emit.add(view.x(0), view.x(bias)) : view.x(0);
}

/** Gelu(x + bias) */
const biasGelu: Rewrite = (view) => [view.emit.op('com.microsoft::Gelu', [biased(view, 1)])];

/** ½ x (1 + tanh(√(2/π) (x + 0.044715 x³))) of x + bias (Hendrycks and Gimpel, arXiv 1606.08415) */
const fastGelu: Rewrite = (view) => {
  const { emit } = view;
  const x = biased(view, 1);
  const root = Math.sqrt(2 / Math.PI);
  const slope = emit.add(scalar(view, root), emit.mul(emit.mul(x, x), scalar(view, root * 0.044715)));
  const tanh = emit.op('Tanh', [emit.mul(x, slope)]);
  return [emit.mul(emit.mul(x, scalar(view, 0.5)), emit.add(tanh, scalar(view, 1)))];
};

/** x · sigmoid(alpha · x) */
const quickGelu: Rewrite = (view) => {
  const { emit } = view;
  const alpha = view.float('alpha', 1.702);
  const inner = emit.scale(view.x(0), alpha, view.type(view.x(0)));
  return [emit.mul(view.x(0), emit.op('Sigmoid', [inner]))];
};

/** ai.onnx Swish (opset 24): x · sigmoid(alpha · x), alpha 1 by default. */
const swish: Rewrite = (view) => {
  const { emit } = view;
  const inner = emit.scale(view.x(0), view.float('alpha', 1), view.type(view.x(0)));
  return [emit.mul(view.x(0), emit.op('Sigmoid', [inner]))];
};

/** x + bias + skip */
const biasAdd: Rewrite = (view) => [view.emit.add(view.emit.add(view.x(0), view.x(1)), view.x(2))];

/** Activations that com.microsoft FusedGemm may have. */
const FUSED: ReadonlySet<string> = new Set(['Relu', 'Tanh', 'Sigmoid', 'LeakyRelu']);

/** Gemm, then the activation: LoRA's addend goes between them. */
const fusedGemm: Rewrite = (view) => {
  const { attributes, inputs } = view.node;
  const activation = view.attribute('activation', 'string') ?? '';
  if (!FUSED.has(activation)) return view.refuse(`activation "${activation}"`);
  const own = Object.fromEntries(
    Object.entries(attributes).filter(([name]) => !name.startsWith('activation')),
  );
  const alpha = attributes.activation_alpha;
  const slope = activation === 'LeakyRelu' && alpha !== undefined ? { alpha } : {};
  return [view.emit.op(activation, [view.emit.op('Gemm', inputs, own)], slope)];
};

export const activationRewrites: readonly RewriteRule[] = [
  { op: 'BiasGelu', domain: CONTRIB, versions: [1], rewrite: biasGelu },
  { op: 'FastGelu', domain: CONTRIB, versions: [1], rewrite: fastGelu },
  { op: 'QuickGelu', domain: CONTRIB, versions: [1], rewrite: quickGelu },
  { op: 'BiasAdd', domain: CONTRIB, versions: [1], rewrite: biasAdd },
  {
    op: 'FusedGemm',
    domain: CONTRIB,
    versions: [1],
    rewrite: fusedGemm,
    refuses: ['activations other than Relu, Tanh, Sigmoid and LeakyRelu'],
  },
  { op: 'Swish', versions: [24], rewrite: swish },
];
