import { float, ints } from '../../../src/train/ir/attributes.js';
import { GraphBuilder } from '../../../src/train/ir/builder.js';
import type { Model, Node } from '../../../src/train/ir/graph.js';
import { doubleTensor } from '../../../src/train/ir/tensor-value.js';

/** Writes a node out in other operators; `output` is the name that the result must have. */
type Expansion = (builder: GraphBuilder, node: Node, output: string) => void;

const scalar = (builder: GraphBuilder, value: number): string => builder.constant(doubleTensor([], [value]));

/** 2/√π · x · exp(−x²) · Σ (2x²)ⁿ / (2n+1)!!: all terms are positive, so it is exact to rounding for |x| ≤ 5. */
function erf(builder: GraphBuilder, x: string, output: string): string {
  const square = builder.op('Mul', [x, x]);
  const twice = builder.op('Mul', [square, scalar(builder, 2)]);
  const one = scalar(builder, 1);
  let sum = one;
  for (let n = 90; n > 0; n--) {
    const term = builder.op('Mul', [builder.op('Mul', [twice, sum]), scalar(builder, 1 / (2 * n + 1))]);
    sum = builder.op('Add', [term, one]);
  }
  const bell = builder.op('Exp', [builder.op('Neg', [square])]);
  const scaled = builder.op('Mul', [builder.op('Mul', [x, bell]), scalar(builder, 2 / Math.sqrt(Math.PI))]);
  return builder.op('Mul', [scaled, sum], {}, output);
}

function number(node: Node, name: string, otherwise: number): number {
  const attribute = node.attributes[name];
  return attribute?.kind === 'int' || attribute?.kind === 'float' ? attribute.value : otherwise;
}

/** op(A) · op(B); the ranks of operands that are transposed come from the test itself, as attributes test_rank_a and _b. */
function product(builder: GraphBuilder, node: Node, a: string, b: string): string {
  const turn = (value: string, side: 'A' | 'B'): string => {
    const rank = number(node, `test_rank_${side.toLowerCase()}`, 2);
    const axes = Array.from({ length: rank }, (_, i) => i);
    // transBatch: the first dimension goes to where the rows are.
    const moved = number(node, `transBatch${side}`, 0) === 1 ? [...axes.slice(1, -1), 0, rank - 1] : axes;
    const last = moved.slice(-2);
    if (number(node, `trans${side}`, 0) === 1) last.reverse();
    const perm = [...moved.slice(0, -2), ...last];
    return perm.join() === axes.join() ? value : builder.op('Transpose', [value], { perm: ints(perm) });
  };
  return builder.op('MatMul', [turn(a, 'A'), turn(b, 'B')]);
}

/** (eˣ ± e⁻ˣ) / 2 */
function hyperbolic(builder: GraphBuilder, x: string, op: 'Add' | 'Sub', output: string): string {
  const back = builder.op('Exp', [builder.op('Neg', [x])]);
  const both = builder.op(op, [builder.op('Exp', [x]), back]);
  return builder.op('Mul', [both, scalar(builder, 0.5)], {}, output);
}

/** √(1 + sign · x²) */
function rootOfOne(builder: GraphBuilder, x: string, sign: 1 | -1): string {
  const square = builder.op('Mul', [builder.op('Mul', [x, x]), scalar(builder, sign)]);
  return builder.op('Sqrt', [builder.op('Add', [square, scalar(builder, 1)])]);
}

/** The angle halved six times, tan(α / 2) = tan α / (1 + √(1 + tan² α)), then the series x − x³/3 + x⁵/5 … */
function atan(builder: GraphBuilder, x: string): string {
  const halvings = 6;
  let small = x;
  for (let i = 0; i < halvings; i++)
    small = builder.op('Div', [small, builder.op('Add', [rootOfOne(builder, small, 1), scalar(builder, 1)])]);
  const square = builder.op('Mul', [small, small]);
  let sum = scalar(builder, 0);
  for (let n = 8; n >= 0; n--) {
    const term = scalar(builder, (n % 2 === 0 ? 1 : -1) / (2 * n + 1));
    sum = builder.op('Add', [term, builder.op('Mul', [square, sum])]);
  }
  return builder.op('Mul', [builder.op('Mul', [small, sum]), scalar(builder, 2 ** halvings)]);
}

const asin = (builder: GraphBuilder, x: string): string =>
  atan(builder, builder.op('Div', [x, rootOfOne(builder, x, -1)]));

/** log of the sum, as an output of that name. */
function logOfSum(builder: GraphBuilder, a: string, b: string, output: string): string {
  return builder.op('Log', [builder.op('Add', [a, b])], {}, output);
}

/** Operators that ONNX Runtime has no float64 kernel for. */
const EXPANSIONS: Readonly<Record<string, Expansion>> = {
  /** Below version 12 there is one for float32 only. */
  Clip(builder, node, output) {
    if (builder.opset >= 12) {
      builder.append(node);
      return;
    }
    const [x = '', least = '', most = ''] = node.inputs;
    const above = least === '' ? x : builder.op('Max', [x, least]);
    if (most === '') builder.op('Identity', [above], {}, output);
    else builder.op('Min', [above, most], {}, output);
  },
  Erf: (builder, node, output) => erf(builder, node.inputs[0] ?? '', output),
  Gelu(builder, node, output) {
    const x = node.inputs[0] ?? '';
    const { approximate } = node.attributes;
    const tanh = (): string => {
      const cube = builder.op('Mul', [builder.op('Mul', [x, x]), x]);
      const sum = builder.op('Add', [x, builder.op('Mul', [cube, scalar(builder, 0.044715)])]);
      return builder.op('Tanh', [builder.op('Mul', [sum, scalar(builder, Math.sqrt(2 / Math.PI))])]);
    };
    const inner =
      approximate?.kind === 'string' && approximate.value === 'tanh'
        ? tanh()
        : erf(builder, builder.op('Mul', [x, scalar(builder, Math.SQRT1_2)]), builder.fresh('erf'));
    const cdf = builder.op('Mul', [builder.op('Add', [inner, scalar(builder, 1)]), scalar(builder, 0.5)]);
    builder.op('Mul', [x, cdf], {}, output);
  },
  FastGelu: (builder, node, output) =>
    EXPANSIONS.Gelu?.(
      builder,
      { ...node, attributes: { approximate: { kind: 'string', value: 'tanh' } } },
      output,
    ),
  QuickGelu(builder, node, output) {
    const x = node.inputs[0] ?? '';
    const inner = builder.op('Mul', [x, scalar(builder, number(node, 'alpha', 1.702))]);
    builder.op('Mul', [x, builder.op('Sigmoid', [inner])], {}, output);
  },
  FusedMatMul(builder, node, output) {
    const [a = '', b = ''] = node.inputs;
    builder.op('Mul', [product(builder, node, a, b), scalar(builder, number(node, 'alpha', 1))], {}, output);
  },
  FusedGemm(builder, node, output) {
    const [a = '', b = '', c = ''] = node.inputs;
    const { activation } = node.attributes;
    const scaled = builder.op('Mul', [
      product(builder, node, a, b),
      scalar(builder, number(node, 'alpha', 1)),
    ]);
    const bias = builder.op('Mul', [c, scalar(builder, number(node, 'beta', 1))]);
    const name = activation?.kind === 'string' ? activation.value : '';
    builder.op(name, [builder.op('Add', [scaled, bias])], {}, output);
  },
  Mean(builder, node, output) {
    const sum = builder.op('Sum', node.inputs);
    builder.op('Div', [sum, scalar(builder, node.inputs.length)], {}, output);
  },
  LeakyRelu(builder, node, output) {
    const x = node.inputs[0] ?? '';
    const { alpha = float(0.01) } = node.attributes;
    const scaled = builder.op('Mul', [x, scalar(builder, alpha.kind === 'float' ? alpha.value : NaN)]);
    builder.op('Max', [x, scaled], {}, output);
  },
  Tan(builder, { inputs: [x = ''] }, output) {
    builder.op('Div', [builder.op('Sin', [x]), builder.op('Cos', [x])], {}, output);
  },
  Atan: (builder, { inputs: [x = ''] }, output) => builder.op('Identity', [atan(builder, x)], {}, output),
  Asin: (builder, { inputs: [x = ''] }, output) => builder.op('Identity', [asin(builder, x)], {}, output),
  Acos: (builder, { inputs: [x = ''] }, output) =>
    builder.op('Sub', [scalar(builder, Math.PI / 2), asin(builder, x)], {}, output),
  Sinh: (builder, { inputs: [x = ''] }, output) => hyperbolic(builder, x, 'Sub', output),
  Cosh: (builder, { inputs: [x = ''] }, output) => hyperbolic(builder, x, 'Add', output),
  Asinh: (builder, { inputs: [x = ''] }, output) => logOfSum(builder, x, rootOfOne(builder, x, 1), output),
  Acosh(builder, { inputs: [x = ''] }, output) {
    const square = builder.op('Sub', [builder.op('Mul', [x, x]), scalar(builder, 1)]);
    logOfSum(builder, x, builder.op('Sqrt', [square]), output);
  },
  Atanh(builder, { inputs: [x = ''] }, output) {
    const one = scalar(builder, 1);
    const ratio = builder.op('Div', [builder.op('Add', [one, x]), builder.op('Sub', [one, x])]);
    builder.op('Mul', [builder.op('Log', [ratio]), scalar(builder, 0.5)], {}, output);
  },
  Softplus(builder, node, output) {
    const exp = builder.op('Exp', [node.inputs[0] ?? '']);
    builder.op('Log', [builder.op('Add', [exp, scalar(builder, 1)])], {}, output);
  },
};

/** The same model with operators that have no float64 kernel written out: for checks, after differentiation. */
export function expandForDouble(model: Model): Model {
  const builder = GraphBuilder.from(model, { nodes: [] });
  for (const node of model.graph.nodes) {
    const expand = EXPANSIONS[node.op];
    if (expand === undefined) builder.append(node);
    else expand(builder, node, node.outputs[0] ?? '');
  }
  return builder.build();
}
