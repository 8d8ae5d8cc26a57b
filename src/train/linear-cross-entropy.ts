import { Emitter } from './autodiff/emitter.js';
import { IGNORED_LABEL } from './cross-entropy.js';
import type { FrozenHead } from './frozen-head.js';
import { int } from './ir/attributes.js';
import type { GraphBuilder } from './ir/builder.js';
import type { LossNodes } from './loss-nodes.js';
import type { Extent } from './shapes/extent.js';
import type { ElementType } from './ir/graph.js';

/** In how many parts the rows are taken: only one part's logits are in memory at a time. Each part reads the whole matrix twice. */
const partsFor = (classes: number): number => (classes > 65_536 ? 8 : 4);

/** The hidden states that a frozen head reads. */
export interface HeadInput {
  readonly type: ElementType;
  /** [..., in] */
  readonly dims: readonly Extent[];
}

/**
 * The labels, once the losses [rows, 1] are known. ONNX Runtime takes what the loss needs last, when all gradients are done; meanwhile every
 * part's logits and probabilities would stay in memory.
 */
function after(emit: Emitter, label: string, loss: string): string {
  const known = emit.op('Less', [loss, loss]);
  const none = emit.cast(emit.op('Reshape', [known, emit.vector([-1])]), 'int64');
  return emit.add(label, none);
}

/**
 * Mean cross-entropy behind a frozen head, with the gradient of the hidden states, without ever holding all logits: a language model's
 * are the largest tensor of a step (Hsu et al., Liger Kernel, arXiv 2410.10989, section 3.2). Rows whose label is −100 are left out before the
 * product. With p = softmax(x Wᵀ) the gradient of a row is (p − onehot) W = p W − W[label]: no pass over the classes but the products and
 * the softmax. `gradient()` is that of head.x. The loss of a row is logsumexp − logit, where logsumexp = max logit − log max p.
 */
export function linearCrossEntropy(
  builder: GraphBuilder,
  head: FrozenHead,
  { type, dims }: HeadInput,
  labels: string,
): LossNodes {
  const emit = new Emitter(builder, 'loss');
  const { x, weight, outIn, bias } = head;
  const one = emit.scalar(type, 1);
  const flat = emit.op('Reshape', [x, emit.vector([-1, head.in])]);
  const targets = emit.op('Reshape', [labels, emit.vector([-1])]);
  const ignored = emit.op('Equal', [targets, emit.scalar('int64', IGNORED_LABEL)]);
  const kept = emit.op('Reshape', [emit.op('NonZero', [emit.op('Not', [ignored])]), emit.vector([-1])]);
  const rows = emit.op('Gather', [flat, kept], { axis: int(0) });
  const own = emit.op('Gather', [targets, kept], { axis: int(0) });
  const size = emit.op('Shape', [kept]);
  const product = { type, ranks: [2, 2] } as const;
  const parts = partsFor(head.classes);
  const bound = (part: number): string => emit.div(emit.mul(size, emit.vector([part])), emit.vector([parts]));

  const losses: string[] = [];
  const slopes: string[] = [];
  for (let part = 0; part < parts; part++) {
    const [from, to] = [bound(part), bound(part + 1)];
    const some = emit.slice(rows, from, to, [0]);
    const label = emit.slice(own, from, to, [0]);
    const scores = emit.matmul(some, weight, { ...product, transB: outIn });
    const logits = bias === undefined ? scores : emit.add(scores, bias);
    const p = emit.op('Softmax', [logits], { axis: int(-1) });
    const at = emit.op('GatherElements', [logits, emit.unsqueeze(label, [1])], { axis: int(1) });
    const above = emit.sub(emit.reduceMax(logits, [1], true), at);
    const loss = emit.sub(above, emit.op('Log', [emit.reduceMax(p, [1], true)]));
    losses.push(loss);
    const average = emit.matmul(p, weight, { ...product, transB: !outIn });
    const column = emit.op('Gather', [weight, after(emit, label, loss)], { axis: int(outIn ? 0 : 1) });
    slopes.push(emit.sub(average, outIn ? column : emit.transpose(column, [1, 0])));
  }

  const all = emit.op('Concat', losses, { axis: int(0) });
  const lossSum = emit.squeeze(emit.reduceSum(all, [0, 1], true), [0, 1]);
  const count = emit.cast(emit.squeeze(size, [0]), type);
  const divisor = emit.op('Max', [count, one]);
  const gradient = (): string => {
    const mean = emit.div(emit.op('Concat', slopes, { axis: int(0) }), divisor);
    const zeros = emit.zeros(emit.op('Shape', [flat]), type);
    const spread = emit.op('ScatterND', [zeros, emit.unsqueeze(kept, [1]), mean]);
    return emit.reshapeLike(spread, x, dims);
  };
  return { lossSum, count, loss: emit.div(lossSum, divisor), gradient };
}
