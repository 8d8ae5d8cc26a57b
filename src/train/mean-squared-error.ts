import { Emitter } from './autodiff/emitter.js';
import type { GraphBuilder } from './ir/builder.js';
import type { Logits, LossNodes } from './loss-nodes.js';

/**
 * Mean of (prediction − target)² over all targets that are no NaN (those are left out); as torch.nn.MSELoss. Predictions and targets
 * have the same number of elements in the same order: [batch, 1] against [batch] fits.
 */
export function meanSquaredError(builder: GraphBuilder, logits: Logits, labels: string): LossNodes {
  const { name, type, dims } = logits;
  const emit = new Emitter(builder);
  const [zero, one] = [emit.scalar(type, 0), emit.scalar(type, 1)];
  const flat = (value: string): string => emit.op('Reshape', [value, emit.vector([-1])]);
  const target = flat(labels);
  const missing = emit.op('IsNaN', [target]);
  const mask = emit.op('Where', [missing, zero, one]);
  const difference = emit.op('Where', [missing, zero, emit.sub(flat(name), target)]);
  const total = (value: string): string => emit.squeeze(emit.reduceSum(value, [0], true), [0]);
  const lossSum = total(emit.mul(difference, difference));
  const count = total(mask);
  const divisor = emit.op('Max', [count, one]);
  const gradient = (): string => {
    const scaled = emit.mul(difference, emit.div(emit.scalar(type, 2), divisor));
    return emit.reshapeLike(scaled, name, dims);
  };
  return { lossSum, count, loss: emit.div(lossSum, divisor), gradient };
}
