import { FedrotError } from '../errors.js';
import { Emitter } from './autodiff/emitter.js';
import { int } from './ir/attributes.js';
import type { GraphBuilder } from './ir/builder.js';
import type { Logits, LossNodes } from './loss-nodes.js';

/** Labels of this value do not count, as in PyTorch's cross_entropy. */
export const IGNORED_LABEL = -100;

/**
 * Mean cross-entropy of logits [..., classes] and labels [...] (int64, −100 left out). For language models the caller shifts: label
 * t belongs to the logits at position t. The gradient has its closed form, which needs fewer large tensors than
 * differentiating LogSoftmax: (softmax − onehot) / count, 0 in rows that do not count.
 */
export function crossEntropy(builder: GraphBuilder, logits: Logits, labels: string): LossNodes {
  const { name, type, dims } = logits;
  const classes = dims[dims.length - 1];
  if (typeof classes !== 'number' || dims.length < 2)
    throw new FedrotError(
      'model_unsupported',
      `the logits "${name}" must have shape [..., classes] with a fixed number of classes, not [${dims.join(', ')}]`,
    );
  const emit = new Emitter(builder);
  const [zero, one] = [emit.scalar(type, 0), emit.scalar(type, 1)];
  const rows = emit.op('Reshape', [name, emit.vector([-1, classes])]);
  const flat = emit.op('Reshape', [labels, emit.vector([-1, 1])]);
  const ignored = emit.op('Equal', [flat, emit.scalar('int64', IGNORED_LABEL)]);
  const index = emit.op('Where', [ignored, emit.scalar('int64', 0), flat]);
  const mask = emit.op('Where', [ignored, zero, one]);
  const logProbability = emit.op('LogSoftmax', [rows], { axis: int(-1) });
  const picked = emit.op('GatherElements', [logProbability, index], { axis: int(1) });
  const total = (value: string): string => emit.squeeze(emit.reduceSum(value, [0, 1], true), [0, 1]);
  const lossSum = emit.neg(total(emit.mul(picked, mask)));
  const count = total(mask);
  const divisor = emit.op('Max', [count, one]);
  const gradient = (): string => {
    const weight = emit.div(mask, divisor);
    const scaled = emit.mul(emit.op('Exp', [logProbability]), weight);
    const atLabel = emit.sub(emit.op('GatherElements', [scaled, index], { axis: int(1) }), weight);
    const scattered = emit.op('ScatterElements', [scaled, index, atLabel], { axis: int(1) });
    return emit.reshapeLike(scattered, name, dims);
  };
  return { lossSum, count, loss: emit.div(lossSum, divisor), gradient };
}
