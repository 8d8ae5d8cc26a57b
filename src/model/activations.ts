import { FedrotError } from '../errors.js';
import type { ModelBuilder } from './model-builder.js';

type Activation = (m: ModelBuilder, x: string) => string;

/** x · Φ(x) (Hendrycks & Gimpel, arXiv 1606.08415), exact, by the error function. */
const gelu: Activation = (m, x) => {
  const g = m.graph;
  const erf = g.op('Erf', [g.op('Mul', [x, m.scalar(Math.SQRT1_2)])]);
  return g.op('Mul', [g.op('Mul', [x, m.scalar(0.5)]), g.op('Add', [erf, m.scalar(1)])]);
};

/** The tanh approximation of the same paper: ½ x (1 + tanh(√(2/π) (x + 0.044715 x³))). */
const geluTanh: Activation = (m, x) => {
  const g = m.graph;
  const cube = g.op('Mul', [g.op('Mul', [x, x]), x]);
  const inner = g.op('Add', [x, g.op('Mul', [cube, m.scalar(0.044715)])]);
  const tanh = g.op('Tanh', [g.op('Mul', [inner, m.scalar(Math.sqrt(2 / Math.PI))])]);
  return g.op('Mul', [g.op('Mul', [x, m.scalar(0.5)]), g.op('Add', [tanh, m.scalar(1)])]);
};

/** x · σ(1.702 x). */
const quickGelu: Activation = (m, x) =>
  m.graph.op('Mul', [x, m.graph.op('Sigmoid', [m.graph.op('Mul', [x, m.scalar(1.702)])])]);

const silu: Activation = (m, x) => m.graph.op('Mul', [x, m.graph.op('Sigmoid', [x])]);

/** By the names of transformers' ACT2FN. */
const ACTIVATIONS: Readonly<Record<string, Activation>> = {
  gelu,
  gelu_python: gelu,
  gelu_new: geluTanh,
  gelu_fast: geluTanh,
  gelu_pytorch_tanh: geluTanh,
  quick_gelu: quickGelu,
  relu: (m, x) => m.graph.op('Relu', [x]),
  sigmoid: (m, x) => m.graph.op('Sigmoid', [x]),
  silu,
  swish: silu,
  tanh: (m, x) => m.graph.op('Tanh', [x]),
};

/** Applies the activation that config.json names. Throws model_unsupported, listing the known ones. */
export function activation(m: ModelBuilder, name: string, x: string): string {
  const apply = Object.hasOwn(ACTIVATIONS, name) ? ACTIVATIONS[name] : undefined;
  if (!apply)
    throw new FedrotError(
      'model_unsupported',
      `config.json: activation ${name} is not known; known are ${Object.keys(ACTIVATIONS).join(', ')}`,
    );
  return apply(m, x);
}
