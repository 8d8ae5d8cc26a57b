import { positiveAxis } from '../../shapes/extent.js';
import type { Call, GradientRule, OpRule } from '../rule.js';

interface Normalisation {
  /** The axes that are normalised: `axis` (default −1) to the last. */
  readonly axes: readonly number[];
  /** Σ over the normalised axes divided by their number, dimensions kept. */
  readonly mean: (value: string) => string;
  /** 1 / √(moment + epsilon) */
  readonly inverse: (moment: string) => string;
}

function normalisation(call: Call): Normalisation {
  const { emit } = call;
  const rank = call.rank(call.x(0));
  const type = call.type(call.x(0));
  const first = positiveAxis(call.int('axis', -1), rank);
  const axes = Array.from({ length: rank - first }, (_, i) => first + i);
  const inverse = (moment: string): string =>
    emit.op('Reciprocal', [
      emit.op('Sqrt', [emit.add(moment, emit.scalar(type, call.float('epsilon', 1e-5)))]),
    ]);
  return { axes, mean: (value) => emit.reduceMean(value, axes, true), inverse };
}

/**
 * y = x̂ · scale + bias with x̂ = (x − mean) · inv. With g = dy · scale:
 * dx = inv · (g − mean(g) − x̂ · mean(g · x̂)), d scale = Σ dy · x̂, d bias = Σ dy.
 */
const layerNormalization: GradientRule = (call) => {
  const { emit } = call;
  const { mean, inverse } = normalisation(call);
  const centred = emit.sub(call.x(0), mean(call.x(0)));
  const inv = inverse(mean(emit.mul(centred, centred)));
  const unit = emit.mul(centred, inv);
  const dx = (): string => {
    const g = emit.mul(call.dy(), call.x(1));
    const along = emit.mul(unit, mean(emit.mul(g, unit)));
    return emit.mul(inv, emit.sub(emit.sub(g, mean(g)), along));
  };
  return [
    call.wants(0) ? dx() : undefined,
    call.wants(1) ? call.sumTo(emit.mul(call.dy(), unit), 1) : undefined,
    call.wants(2) ? call.sumTo(call.dy(), 2) : undefined,
  ];
};

/** y = x · inv · scale with inv = 1 / √(mean(x²) + epsilon): as LayerNormalization without the mean. */
const rmsNormalization: GradientRule = (call) => {
  const { emit } = call;
  const { mean, inverse } = normalisation(call);
  const x = call.x(0);
  const inv = inverse(mean(emit.mul(x, x)));
  const unit = emit.mul(x, inv);
  const dx = (): string => {
    const g = emit.mul(call.dy(), call.x(1));
    return emit.mul(inv, emit.sub(g, emit.mul(unit, mean(emit.mul(g, unit)))));
  };
  return [
    call.wants(0) ? dx() : undefined,
    call.wants(1) ? call.sumTo(emit.mul(call.dy(), unit), 1) : undefined,
  ];
};

export const normRules: readonly OpRule[] = [
  { op: 'LayerNormalization', versions: [1, 17], gradient: layerNormalization },
  { op: 'RMSNormalization', versions: [23], gradient: rmsNormalization },
  { op: 'SimplifiedLayerNormalization', versions: [1], gradient: rmsNormalization },
];
