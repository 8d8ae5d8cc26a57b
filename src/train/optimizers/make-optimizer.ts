import type { OptimizerSpec } from '../../run-spec.js';
import { adamW } from './adamw.js';
import type { Optimizer } from './optimizer.js';
import { sgd } from './sgd.js';

export function makeOptimizer(spec: OptimizerSpec): Optimizer {
  switch (spec.kind) {
    case 'adamw':
      return adamW(spec);
    case 'sgd':
      return sgd(spec);
  }
}
