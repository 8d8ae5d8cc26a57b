import { positiveAxis } from '../../shapes/extent.js';
import type { Call, GradientRule, OpRule } from '../rule.js';

interface Normalisation {
  /** Σ over the normalised axes divided by their number, dimensions kept. */
  readonly mean: (value: string) => string;
  /** x − mean(x) */
  readonly centre: (value: string) => string;
  /** 1 / √(moment(centred x) + epsilon) */
  readonly inverse: (centred: string) => string;
}

/** The node's own statistics where it gives them out (float32: keep-statistics.ts), else computed again. */
function normalisation(
  call: Call,
  outputs: { readonly mean?: number; readonly inverse: number },
): Normalisation {
  const { emit, node } = call;
  const rank = call.rank(call.x(0));
  const type = call.type(call.x(0));
  // `axis` (default −1) to the last are normalised together.
  const first = positiveAxis(call.int('axis', -1), rank);
  const axes = Array.from({ length: rank - first }, (_, i) => first + i);
  const mean = (value: string): string => emit.reduceMean(value, axes, true);
  const given = (output: number | undefined): string | undefined => {
    const name = output === undefined ? '' : (node.outputs[output] ?? '');
    return name === '' ? undefined : name;
  };
  const computed = (centred: string): string => {
    const moment = mean(emit.mul(centred, centred));
    const root = emit.op('Sqrt', [emit.add(moment, emit.scalar(type, call.float('epsilon', 1e-5)))]);
    return emit.op('Reciprocal', [root]);
  };
  return {
    mean,
    centre: (value) => emit.sub(value, given(outputs.mean) ?? mean(value)),
    inverse: (centred) => given(outputs.inverse) ?? computed(centred),
  };
}

/**
 * y = x̂ · scale + bias with x̂ = (x − mean) · inv. With g = dy · scale:
 * dx = inv · (g − mean(g) − x̂ · mean(g · x̂)), d scale = Σ dy · x̂, d bias = Σ dy.
 */
const layerNormalization: GradientRule = (call) => {
  const { emit } = call;
  const { mean, centre, inverse } = normalisation(call, { mean: 1, inverse: 2 });
  const centred = centre(call.x(0));
  const inv = inverse(centred);
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
  const { mean, inverse } = normalisation(call, { inverse: 1 });
  const x = call.x(0);
  const inv = inverse(x);
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
