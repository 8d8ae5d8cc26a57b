import { positiveAxis } from '../../shapes/extent.js';
import type { Call, GradientRule, OpRule } from '../rule.js';

/** From version 13 on one axis (default the last); before, all axes from `axis` (default 1) on, as one. */
function normalisedAxes(call: Call): number[] {
  const rank = call.rank(call.x(0));
  if (call.version >= 13) return [positiveAxis(call.int('axis', -1), rank)];
  const first = positiveAxis(call.int('axis', 1), rank);
  return Array.from({ length: rank - first }, (_, i) => first + i);
}

/** (dy − Σ dy · y) · y */
const softmax: GradientRule = (call) => {
  const { emit } = call;
  const y = call.y(0);
  const inner = emit.reduceSum(emit.mul(call.dy(), y), normalisedAxes(call), true);
  return [emit.mul(emit.sub(call.dy(), inner), y)];
};

/** dy − exp(y) · Σ dy */
const logSoftmax: GradientRule = (call) => {
  const { emit } = call;
  const total = emit.reduceSum(call.dy(), normalisedAxes(call), true);
  return [emit.sub(call.dy(), emit.mul(emit.op('Exp', [call.y(0)]), total))];
};

export const softmaxRules: readonly OpRule[] = [
  { op: 'Softmax', versions: [1, 11, 13], gradient: softmax },
  { op: 'LogSoftmax', versions: [1, 11, 13], gradient: logSoftmax },
];
