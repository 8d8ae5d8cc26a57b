import type { Call, GradientRule, OpRule } from '../rule.js';

const scalar = (call: Call, value: number): string => call.emit.scalar(call.type(call.x(0)), value);

/** exp(scale · x²) */
function bell(call: Call, scale: number): string {
  const { emit } = call;
  return emit.op('Exp', [emit.mul(emit.mul(call.x(0), call.x(0)), scalar(call, scale))]);
}

/** 2/√π · exp(−x²) */
const erf: GradientRule = (call) => [
  call.emit.mul(call.dy(), call.emit.mul(bell(call, -1), scalar(call, 2 / Math.sqrt(Math.PI)))),
];

/** 1 − y² */
const tanh: GradientRule = (call) => {
  const { emit } = call;
  return [emit.mul(call.dy(), emit.sub(scalar(call, 1), emit.mul(call.y(0), call.y(0))))];
};

/** y · (1 − y) */
const sigmoid: GradientRule = (call) => {
  const { emit } = call;
  return [emit.mul(call.dy(), emit.mul(call.y(0), emit.sub(scalar(call, 1), call.y(0))))];
};

const relu: GradientRule = (call) => {
  const { emit } = call;
  return [emit.op('Where', [emit.op('Greater', [call.y(0), scalar(call, 0)]), call.dy(), scalar(call, 0)])];
};

const leakyRelu: GradientRule = (call) => {
  const { emit } = call;
  const slope = call.float('alpha', 0.01);
  const positive = emit.op('Greater', [call.x(0), scalar(call, 0)]);
  return [emit.op('Where', [positive, call.dy(), emit.mul(call.dy(), scalar(call, slope))])];
};

/** ln(1 + eˣ) has the slope of the logistic function. */
const softplus: GradientRule = (call) => [call.emit.mul(call.dy(), call.emit.op('Sigmoid', [call.x(0)]))];

/**
 * Φ(x) + x φ(x), as ½ (1 + erf(x / √2) + 2 x φ(x)). Constants go where they cost no pass over memory: that of the density into its
 * exponent, the ½ into the product that takes the gradient.
 */
const geluErf: GradientRule = (call) => {
  const { emit } = call;
  const x = call.x(0);
  const scaled = emit.mul(x, scalar(call, Math.SQRT1_2));
  const exponent = emit.sub(scalar(call, Math.log(Math.sqrt(2 / Math.PI))), emit.mul(scaled, scaled));
  const density = emit.mul(x, emit.op('Exp', [exponent]));
  const twice = emit.add(emit.add(emit.op('Erf', [scaled]), density), scalar(call, 1));
  return [emit.scale(emit.mul(call.dy(), twice), 0.5, call.type(x))];
};

/**
 * Of ½ x (1 + tanh(v)) with v = √(2/π) (x + 0.044715 x³): since ½ (1 + tanh(v)) = σ(2v) = p, the slope is p (1 + (1 − p) · x · 2v′).
 */
const geluTanh: GradientRule = (call) => {
  const { emit } = call;
  const x = call.x(0);
  const linear = 2 * Math.sqrt(2 / Math.PI);
  const cubic = emit.mul(emit.mul(x, x), scalar(call, linear * 0.044715));
  const p = emit.op('Sigmoid', [emit.mul(x, emit.add(cubic, scalar(call, linear)))]);
  const slope = emit.mul(x, emit.add(emit.mul(cubic, scalar(call, 3)), scalar(call, linear)));
  const inner = emit.add(emit.mul(emit.sub(scalar(call, 1), p), slope), scalar(call, 1));
  return [emit.mul(call.dy(), emit.mul(p, inner))];
};

const gelu: GradientRule = (call) =>
  (call.attribute('approximate', 'string') ?? 'none') === 'none' ? geluErf(call) : geluTanh(call);

/** Of y = x σ(αx): p + α y (1 − p) with p = σ(αx). */
const quickGelu: GradientRule = (call) => {
  const { emit } = call;
  const alpha = call.float('alpha', 1.702);
  const type = call.type(call.x(0));
  const p = emit.op('Sigmoid', [emit.scale(call.x(0), alpha, type)]);
  const rest = emit.scale(emit.mul(call.y(0), emit.sub(scalar(call, 1), p)), alpha, type);
  return [emit.mul(call.dy(), emit.add(p, rest))];
};

export const activationRules: readonly OpRule[] = [
  { op: 'Erf', versions: [9, 13], gradient: erf },
  { op: 'Tanh', versions: [6, 13], gradient: tanh },
  { op: 'Sigmoid', versions: [6, 13], gradient: sigmoid },
  { op: 'Relu', versions: [6, 13, 14], gradient: relu },
  { op: 'LeakyRelu', versions: [6, 16], gradient: leakyRelu },
  { op: 'Softplus', versions: [1, 22], gradient: softplus },
  { op: 'Gelu', versions: [20], gradient: gelu },
  { op: 'Gelu', domain: 'com.microsoft', versions: [1], gradient: geluErf },
  {
    op: 'FastGelu',
    domain: 'com.microsoft',
    versions: [1],
    gradient: (call) =>
      call.has(1) ? call.refuse('a bias, which reading the model takes out') : geluTanh(call),
  },
  { op: 'QuickGelu', domain: 'com.microsoft', versions: [1], gradient: quickGelu },
];
