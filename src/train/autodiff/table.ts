import { FedrotError } from '../../errors.js';
import type { Node } from '../ir/graph.js';
import { REFUSED } from './refused.js';
import type { GradientRule, OpRule } from './rule.js';
import { activationRules } from './rules/activation.js';
import { einsumRules } from './rules/einsum.js';
import { elementwiseRules } from './rules/elementwise.js';
import { fourierRules } from './rules/fourier.js';
import { indexingRules } from './rules/indexing.js';
import { matmulRules } from './rules/matmul.js';
import { normRules } from './rules/norm.js';
import { reduceRules } from './rules/reduce.js';
import { quantizedRules } from './rules/quantized.js';
import { scatterRules } from './rules/scatter.js';
import { shapeRules } from './rules/shape.js';
import { sliceRules } from './rules/slice.js';
import { softmaxRules } from './rules/softmax.js';
import { trigonometricRules } from './rules/trigonometric.js';

/** Everything that can be differentiated. */
export const RULES: readonly OpRule[] = [
  ...elementwiseRules,
  ...trigonometricRules,
  ...activationRules,
  ...reduceRules,
  ...matmulRules,
  ...quantizedRules,
  ...shapeRules,
  ...sliceRules,
  ...einsumRules,
  ...indexingRules,
  ...scatterRules,
  ...softmaxRules,
  ...normRules,
  ...fourierRules,
];

/** The newest opset of ai.onnx whose changes the table knows; a newer one may have changed an operator's meaning. */
export const NEWEST_OPSET = 25;

/** Ops whose floating-point output is constant almost everywhere, or does not depend on their inputs' values. */
export const NO_GRADIENT: ReadonlySet<string> = new Set([
  'ArgMax',
  'ArgMin',
  'Ceil',
  'Constant',
  'ConstantOfShape',
  'EyeLike',
  'Floor',
  'OneHot',
  'RandomNormalLike',
  'RandomUniformLike',
  'Round',
  'Shape',
  'Sign',
  'Size',
]);

export function stopsGradient(node: Node): boolean {
  return node.domain === '' && NO_GRADIENT.has(node.op);
}

const byOp = new Map<string, OpRule[]>();
for (const rule of RULES) {
  const key = `${rule.domain ?? ''}::${rule.op}`;
  byOp.set(key, [...(byOp.get(key) ?? []), rule]);
}

/** The rule for a node and the operator's own version. Throws op_unsupported naming op, node and opset. */
export function findRule(
  node: Node,
  opsets: ReadonlyMap<string, number>,
): { readonly version: number; readonly gradient: GradientRule } {
  const opset = opsets.get(node.domain) ?? 1;
  const label = node.domain === '' ? node.op : `${node.domain}::${node.op}`;
  const refuse = (why: string): never => {
    throw new FedrotError(
      'op_unsupported',
      `${label} node "${node.name}" (opset ${opset} of ${node.domain || 'ai.onnx'}): ${why}`,
    );
  };
  const rules = byOp.get(`${node.domain}::${node.op}`) ?? [];
  if (rules.length === 0)
    return refuse(REFUSED.get(`${node.domain}::${node.op}`) ?? 'no gradient is known for this operator');
  if (node.domain === '' && opset > NEWEST_OPSET)
    return refuse(`gradients are known up to opset ${NEWEST_OPSET}`);
  let best: { version: number; gradient: GradientRule } | undefined;
  for (const { versions, gradient } of rules)
    for (const version of versions)
      if (version <= opset && version > (best?.version ?? 0)) best = { version, gradient };
  return best ?? refuse('no gradient is known for a version of this operator this old');
}
