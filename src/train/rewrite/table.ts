import type { Node } from '../ir/graph.js';
import { activationRewrites } from './activation.js';
import { contribAttentionRewrites } from './attention-contrib.js';
import { groupedAttentionRewrites } from './attention-grouped.js';
import { onnxAttentionRewrites } from './attention-onnx.js';
import { convolutionRewrites } from './convolution.js';
import { elementwiseRewrites } from './elementwise.js';
import { momentRewrites } from './moments.js';
import { normRewrites } from './norm.js';
import type { RewriteRule } from './rule.js';

/** Every operator that is written out in simpler ones when a model is read for training. */
export const REWRITES: readonly RewriteRule[] = [
  ...activationRewrites,
  ...normRewrites,
  ...onnxAttentionRewrites,
  ...contribAttentionRewrites,
  ...groupedAttentionRewrites,
  ...elementwiseRewrites,
  ...momentRewrites,
  ...convolutionRewrites,
];

/** The line for a node and the operator's own version; undefined where it stays as it is. */
export function findRewrite(
  node: Node,
  opsets: ReadonlyMap<string, number>,
): { readonly version: number; readonly rule: RewriteRule } | undefined {
  const opset = opsets.get(node.domain) ?? 1;
  let best: { version: number; rule: RewriteRule } | undefined;
  for (const rule of REWRITES)
    if (rule.op === node.op && (rule.domain ?? '') === node.domain)
      for (const version of rule.versions)
        if (version <= opset && version > (best?.version ?? 0)) best = { version, rule };
  return best;
}
