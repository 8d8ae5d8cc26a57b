import type { OptimizerSpec } from '../../run-spec.js';
import type { Optimizer } from './optimizer.js';

/**
 * AdamW (Loshchilov and Hutter, arXiv 1711.05101) as torch.optim.AdamW computes it: decay decoupled from the gradient, bias
 * correction in float64, moments and parameters stored as float32.
 */
export function adamW(spec: Extract<OptimizerSpec, { kind: 'adamw' }>): Optimizer {
  const { beta1, beta2, epsilon, weightDecay } = spec;
  return {
    init: (size) => ({ step: 0, slots: [new Float32Array(size), new Float32Array(size)] }),
    update(state, parameter, gradient, learningRate = spec.learningRate) {
      const [mean = new Float32Array(), square = new Float32Array()] = state.slots;
      state.step += 1;
      const stepSize = learningRate / (1 - beta1 ** state.step);
      const rootCorrection = Math.sqrt(1 - beta2 ** state.step);
      const keep = 1 - learningRate * weightDecay;
      for (let i = 0; i < parameter.length; i++) {
        const g = gradient[i] ?? 0;
        const m = (mean[i] = beta1 * (mean[i] ?? 0) + (1 - beta1) * g);
        const v = (square[i] = beta2 * (square[i] ?? 0) + (1 - beta2) * g * g);
        parameter[i] =
          (parameter[i] ?? 0) * keep - (stepSize * m) / (Math.sqrt(v) / rootCorrection + epsilon);
      }
    },
  };
}
