import type { NodeView } from '../autodiff/node-view.js';
import type { Rewrite, RewriteRule } from './rule.js';

const scalar = (view: NodeView, value: number): string => view.emit.scalar(view.type(view.x(0)), value);

const above = (view: NodeView, limit: number): string =>
  view.emit.op('Greater', [view.x(0), scalar(view, limit)]);

/** x where it is above 0, else something else of x. */
const positiveOr = (view: NodeView, otherwise: string): string =>
  view.emit.op('Where', [above(view, 0), view.x(0), otherwise]);

/** slope · (exp(x / scale) − 1) of the numbers that are not above 0; of the others 0, so that nothing overflows. */
function belowZero(view: NodeView, slope: number, scale = 1): string {
  const { emit } = view;
  const negative = emit.op('Where', [above(view, 0), scalar(view, 0), view.x(0)]);
  const exp = emit.op('Exp', [scale === 1 ? negative : emit.mul(negative, scalar(view, 1 / scale))]);
  return emit.mul(emit.sub(exp, scalar(view, 1)), scalar(view, slope));
}

const elu: Rewrite = (view) => [positiveOr(view, belowZero(view, view.float('alpha', 1)))];

/** The constants are those of the operator's text (Klambauer et al., arXiv 1706.02515). */
const selu: Rewrite = (view) => {
  const alpha = view.float('alpha', 1.67326319217681884765625);
  const gamma = view.float('gamma', 1.05070102214813232421875);
  return [view.emit.mul(positiveOr(view, belowZero(view, alpha)), scalar(view, gamma))];
};

const celu: Rewrite = (view) => {
  const alpha = view.float('alpha', 1);
  return [positiveOr(view, belowZero(view, alpha, alpha))];
};

/** clip(alpha · x + beta, 0, 1) */
function hardSigmoidOf(view: NodeView, alpha: number, beta: number): string {
  const { emit } = view;
  const line = emit.add(emit.mul(view.x(0), scalar(view, alpha)), scalar(view, beta));
  return emit.op('Clip', [line, scalar(view, 0), scalar(view, 1)]);
}

const hardSigmoid: Rewrite = (view) => [
  hardSigmoidOf(view, view.float('alpha', 0.2), view.float('beta', 0.5)),
];

const hardSwish: Rewrite = (view) => [view.emit.mul(view.x(0), hardSigmoidOf(view, 1 / 6, 0.5))];

/** x · tanh(ln(1 + eˣ)) (Misra, arXiv 1908.08681) */
const mish: Rewrite = (view) => {
  const { emit } = view;
  return [emit.mul(view.x(0), emit.op('Tanh', [emit.op('Softplus', [view.x(0)])]))];
};

const softsign: Rewrite = (view) => {
  const { emit } = view;
  return [emit.div(view.x(0), emit.add(emit.op('Abs', [view.x(0)]), scalar(view, 1)))];
};

const thresholdedRelu: Rewrite = (view) => [
  view.emit.op('Where', [above(view, view.float('alpha', 1)), view.x(0), scalar(view, 0)]),
];

/** x where it is not below 0, else slope · x. */
const pRelu: Rewrite = (view) => {
  const { emit } = view;
  const below = emit.op('Less', [view.x(0), scalar(view, 0)]);
  return [emit.op('Where', [below, emit.mul(view.x(0), view.x(1)), view.x(0)])];
};

export const elementwiseRewrites: readonly RewriteRule[] = [
  { op: 'Elu', versions: [6, 22], rewrite: elu },
  { op: 'Selu', versions: [6, 22], rewrite: selu },
  { op: 'Celu', versions: [12], rewrite: celu },
  { op: 'HardSigmoid', versions: [6, 22], rewrite: hardSigmoid },
  { op: 'HardSwish', versions: [14, 22], rewrite: hardSwish },
  { op: 'Mish', versions: [18, 22], rewrite: mish },
  { op: 'Softsign', versions: [1, 22], rewrite: softsign },
  { op: 'ThresholdedRelu', versions: [10, 22], rewrite: thresholdedRelu },
  { op: 'PRelu', versions: [9, 16], rewrite: pRelu },
];
