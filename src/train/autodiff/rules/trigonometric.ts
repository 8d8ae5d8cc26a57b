import type { Call, GradientRule, OpRule } from '../rule.js';

/** y = f(x), with f′ from the node's values and 1. */
const unary =
  (derivative: (call: Call, one: string) => string): GradientRule =>
  (call) => [call.emit.mul(call.dy(), derivative(call, call.emit.scalar(call.type(call.x(0)), 1)))];

/** dy / f */
const over =
  (divisor: (call: Call, square: string, one: string) => string): GradientRule =>
  (call) => {
    const { emit } = call;
    const x = call.x(0);
    return [emit.div(call.dy(), divisor(call, emit.mul(x, x), emit.scalar(call.type(x), 1)))];
  };

const root = ({ emit }: Call, value: string): string => emit.op('Sqrt', [value]);

const tan = unary((call, one) => call.emit.add(one, call.emit.mul(call.y(0), call.y(0))));
const sinh = unary((call) => call.emit.op('Cosh', [call.x(0)]));
const cosh = unary((call) => call.emit.op('Sinh', [call.x(0)]));
const asin = over((call, square, one) => root(call, call.emit.sub(one, square)));
const acos = over((call, square, one) => call.emit.neg(root(call, call.emit.sub(one, square))));
const atan = over(({ emit }, square, one) => emit.add(one, square));
const asinh = over((call, square, one) => root(call, call.emit.add(square, one)));
const acosh = over((call, square, one) => root(call, call.emit.sub(square, one)));
const atanh = over(({ emit }, square, one) => emit.sub(one, square));

export const trigonometricRules: readonly OpRule[] = [
  { op: 'Tan', versions: [7, 22], gradient: tan },
  { op: 'Asin', versions: [7, 22], gradient: asin },
  { op: 'Acos', versions: [7, 22], gradient: acos },
  { op: 'Atan', versions: [7, 22], gradient: atan },
  { op: 'Sinh', versions: [9, 22], gradient: sinh },
  { op: 'Cosh', versions: [9, 22], gradient: cosh },
  { op: 'Asinh', versions: [9, 22], gradient: asinh },
  { op: 'Acosh', versions: [9, 22], gradient: acosh },
  { op: 'Atanh', versions: [9, 22], gradient: atanh },
];
