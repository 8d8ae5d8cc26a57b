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

/** Exact: Φ(x) + x φ(x). With `approximate: tanh`: the derivative of ½ x (1 + tanh(√(2/π) (x + 0.044715 x³))). */
const gelu: GradientRule = (call) => {
  const { emit } = call;
  const x = call.x(0);
  const half = scalar(call, 0.5);
  if ((call.attribute('approximate', 'string') ?? 'none') === 'none') {
    const cdf = emit.mul(
      half,
      emit.add(scalar(call, 1), emit.op('Erf', [emit.mul(x, scalar(call, Math.SQRT1_2))])),
    );
    const density = emit.mul(bell(call, -0.5), scalar(call, 1 / Math.sqrt(2 * Math.PI)));
    return [emit.mul(call.dy(), emit.add(cdf, emit.mul(x, density)))];
  }
  const root = Math.sqrt(2 / Math.PI);
  const square = emit.mul(x, x);
  const cubic = emit.add(scalar(call, root), emit.mul(square, scalar(call, root * 0.044715)));
  const t = emit.op('Tanh', [emit.mul(x, cubic)]);
  const inner = emit.add(scalar(call, root), emit.mul(square, scalar(call, 3 * root * 0.044715)));
  const sech = emit.sub(scalar(call, 1), emit.mul(t, t));
  const slope = emit.add(emit.add(scalar(call, 1), t), emit.mul(emit.mul(x, sech), inner));
  return [emit.mul(call.dy(), emit.mul(half, slope))];
};

export const activationRules: readonly OpRule[] = [
  { op: 'Erf', versions: [9, 13], gradient: erf },
  { op: 'Tanh', versions: [6, 13], gradient: tanh },
  { op: 'Sigmoid', versions: [6, 13], gradient: sigmoid },
  { op: 'Relu', versions: [6, 13, 14], gradient: relu },
  { op: 'LeakyRelu', versions: [6, 16], gradient: leakyRelu },
  { op: 'Softplus', versions: [1, 22], gradient: softplus },
  { op: 'Gelu', versions: [20], gradient: gelu },
  { op: 'Gelu', domain: 'com.microsoft', versions: [1], gradient: gelu },
];
