import type { Call, GradientRule, Gradients, OpRule } from '../rule.js';

/** y = f(x): the gradient needs one product with f′. */
const unary =
  (derivative: (call: Call) => string): GradientRule =>
  (call) => [call.emit.mul(call.dy(), derivative(call))];

/** Constants in the type of the first input. */
const scalar = (call: Call, value: number): string => call.emit.scalar(call.type(call.x(0)), value);

const add: GradientRule = (call) =>
  call.node.inputs.map((_, i) => (call.wants(i) ? call.sumTo(call.dy(), i) : undefined));

const sub: GradientRule = (call) => [
  call.wants(0) ? call.sumTo(call.dy(), 0) : undefined,
  call.wants(1) ? call.sumTo(call.emit.neg(call.dy()), 1) : undefined,
];

const mul: GradientRule = (call) => {
  const { emit } = call;
  return [
    call.wants(0) ? call.sumTo(emit.mul(call.dy(), call.x(1)), 0) : undefined,
    call.wants(1) ? call.sumTo(emit.mul(call.dy(), call.x(0)), 1) : undefined,
  ];
};

const div: GradientRule = (call) => {
  const { emit } = call;
  const scaled = emit.div(call.dy(), call.x(1));
  return [
    call.wants(0) ? call.sumTo(scaled, 0) : undefined,
    call.wants(1) ? call.sumTo(emit.neg(emit.mul(scaled, call.y(0))), 1) : undefined,
  ];
};

/** xᵖ: p · xᵖ⁻¹ for the base, xᵖ · ln x for the exponent (0 where x ≤ 0). */
const pow: GradientRule = (call) => {
  const { emit } = call;
  const type = call.type(call.x(0));
  const exponent = (): string => (call.type(call.x(1)) === type ? call.x(1) : emit.cast(call.x(1), type));
  const base = (): string => {
    const constant = call.numbers(1);
    const only = constant?.length === 1 ? constant[0] : undefined;
    const slope =
      only === 1
        ? undefined
        : only === 2
          ? emit.mul(call.x(0), scalar(call, 2))
          : only === undefined
            ? emit.mul(exponent(), emit.op('Pow', [call.x(0), emit.sub(exponent(), scalar(call, 1))]))
            : emit.mul(emit.op('Pow', [call.x(0), scalar(call, only - 1)]), scalar(call, only));
    return call.sumTo(slope === undefined ? call.dy() : emit.mul(call.dy(), slope), 0);
  };
  const power = (): string => {
    const safe = emit.op('Where', [
      emit.op('Greater', [call.x(0), scalar(call, 0)]),
      call.x(0),
      scalar(call, 1),
    ]);
    return call.sumTo(emit.mul(call.dy(), emit.mul(call.y(0), emit.op('Log', [safe]))), 1);
  };
  return [call.wants(0) ? base() : undefined, call.wants(1) ? power() : undefined];
};

const neg: GradientRule = (call) => [call.emit.neg(call.dy())];

const sqrt: GradientRule = (call) => [call.emit.div(call.emit.mul(call.dy(), scalar(call, 0.5)), call.y(0))];

const reciprocal = unary((call) => call.emit.neg(call.emit.mul(call.y(0), call.y(0))));

const exp = unary((call) => call.y(0));

const log: GradientRule = (call) => [call.emit.div(call.dy(), call.x(0))];

const abs = unary((call) => call.emit.op('Sign', [call.x(0)]));

const sin = unary((call) => call.emit.op('Cos', [call.x(0)]));

const cos = unary((call) => call.emit.neg(call.emit.op('Sin', [call.x(0)])));

const where: GradientRule = (call) => {
  const { emit } = call;
  const zero = emit.scalar(call.type(call.y(0)), 0);
  return [
    undefined,
    call.wants(1) ? call.sumTo(emit.op('Where', [call.x(0), call.dy(), zero]), 1) : undefined,
    call.wants(2) ? call.sumTo(emit.op('Where', [call.x(0), zero, call.dy()]), 2) : undefined,
  ];
};

/** The gradient goes to the inputs that equal the output, in equal parts where several do (as torch.maximum). */
const extremum: GradientRule = (call) => {
  const { emit } = call;
  const type = call.type(call.y(0));
  const hits = call.node.inputs.map((input) => emit.cast(emit.op('Equal', [input, call.y(0)]), type));
  const total = hits.reduce((sum, hit) => emit.add(sum, hit));
  const share = emit.div(call.dy(), total);
  return hits.map((hit, i) => (call.wants(i) ? call.sumTo(emit.mul(share, hit), i) : undefined));
};

/** 1 within the bounds, ends included (as torch.clamp), else 0. Bounds are inputs from version 11 on, attributes before. */
const clip: GradientRule = (call): Gradients => {
  const { emit } = call;
  if (call.wants(1) || call.wants(2)) return call.refuse('bounds that depend on trained values');
  let gradient = call.dy();
  const type = call.type(call.x(0));
  const bound = (name: 'min' | 'max', input: number): string | undefined => {
    if (call.has(input)) return call.x(input);
    const attribute = call.attribute(name, 'float');
    return attribute === undefined ? undefined : emit.scalar(type, attribute);
  };
  const beyond = (op: 'Less' | 'Greater', limit: string | undefined): void => {
    if (limit !== undefined)
      gradient = emit.op('Where', [emit.op(op, [call.x(0), limit]), emit.scalar(type, 0), gradient]);
  };
  beyond('Less', bound('min', 1));
  beyond('Greater', bound('max', 2));
  return [gradient];
};

const mean: GradientRule = (call) => {
  const share = call.emit.scale(call.dy(), 1 / call.node.inputs.length, call.type(call.y(0)));
  return call.node.inputs.map((_, i) => (call.wants(i) ? call.sumTo(share, i) : undefined));
};

export const elementwiseRules: readonly OpRule[] = [
  { op: 'Add', versions: [7, 13, 14], gradient: add },
  { op: 'Sum', versions: [8, 13], gradient: add },
  { op: 'Mean', versions: [8, 13], gradient: mean },
  { op: 'Sub', versions: [7, 13, 14], gradient: sub },
  { op: 'Mul', versions: [7, 13, 14], gradient: mul },
  { op: 'Div', versions: [7, 13, 14], gradient: div },
  { op: 'Pow', versions: [7, 12, 13, 15], gradient: pow },
  { op: 'Neg', versions: [6, 13], gradient: neg },
  { op: 'Sqrt', versions: [6, 13], gradient: sqrt },
  { op: 'Reciprocal', versions: [6, 13], gradient: reciprocal },
  { op: 'Exp', versions: [6, 13], gradient: exp },
  { op: 'Log', versions: [6, 13], gradient: log },
  { op: 'Abs', versions: [6, 13], gradient: abs },
  { op: 'Sin', versions: [7, 22], gradient: sin },
  { op: 'Cos', versions: [7, 22], gradient: cos },
  { op: 'Where', versions: [9, 16], gradient: where },
  { op: 'Min', versions: [8, 12, 13], gradient: extremum },
  { op: 'Max', versions: [8, 12, 13], gradient: extremum },
  { op: 'Clip', versions: [6, 11, 12, 13], gradient: clip, refuses: ['trained bounds'] },
];
