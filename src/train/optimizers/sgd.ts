import type { OptimizerSpec } from '../../run-spec.js';
import type { Optimizer } from './optimizer.js';

/** Stochastic gradient descent as torch.optim.SGD: decay added to the gradient, momentum buffer starting at the first gradient. */
export function sgd(spec: Extract<OptimizerSpec, { kind: 'sgd' }>): Optimizer {
  const { momentum, weightDecay } = spec;
  return {
    init: (size) => ({ step: 0, slots: momentum === 0 ? [] : [new Float32Array(size)] }),
    update(state, parameter, gradient, learningRate = spec.learningRate) {
      const buffer = state.slots[0];
      for (let i = 0; i < parameter.length; i++) {
        let direction = (gradient[i] ?? 0) + weightDecay * (parameter[i] ?? 0);
        if (buffer !== undefined) {
          // The first step fills the buffer with the gradient: 0 · momentum + gradient.
          direction = momentum * (buffer[i] ?? 0) + direction;
          buffer[i] = direction;
        }
        parameter[i] = (parameter[i] ?? 0) - learningRate * direction;
      }
      state.step += 1;
    },
  };
}
