import { int } from '../../ir/attributes.js';
import { rawTensor } from '../../ir/tensor-value.js';
import type { ElementType, TensorValue } from '../../ir/graph.js';
import type { Call, GradientRule, OpRule } from '../rule.js';

/** Inputs of MatMulNBits. */
const INPUT = { a: 0, blob: 1, scales: 2, zeroPoints: 3, groups: 4, bias: 5 } as const;

/** A stored tensor under another type and shape, over the same bytes: in memory or in the same place of the same file. */
function view(call: Call, input: number, type: ElementType, dims: readonly number[]): string {
  const stored = call.stored(input) ?? call.refuse(`input ${input} is no initializer`);
  const value: TensorValue = { type, dims, data: stored.data };
  return call.emit.shared(`view ${call.x(input)}`, () => call.emit.constant(value, `${call.x(input)}/view`));
}

/** Zero points by block, in the type of the blob; 2^(bits − 1) where none are given. */
function zeroPoints(call: Call, type: ElementType, bits: number, dims: readonly [number, number]): string {
  const [rows, blocks] = dims;
  if (call.has(INPUT.zeroPoints)) {
    if (call.type(call.x(INPUT.zeroPoints)) !== 'uint8') return call.refuse('zero points that are not uint8');
    // 4-bit rows begin at a whole byte in MatMulNBits and nowhere else.
    if ((blocks * bits) % 8 !== 0) return call.refuse('zero points of an odd number of blocks');
    return view(call, INPUT.zeroPoints, type, dims);
  }
  const fill = bits === 8 ? 0x80 : 0x88;
  const bytes = (): Uint8Array => new Uint8Array(Math.ceil((rows * blocks * bits) / 8)).fill(fill);
  return call.emit.shared(`zero points ${bits} ${rows} ${blocks}`, () =>
    call.emit.constant(rawTensor(type, dims, bytes()), 'grad/zero_points'),
  );
}

/**
 * An int64 vector that is known only when dY is, so that nothing which reads it can run before: ONNX Runtime runs nodes without inputs to wait
 * for as early as it likes, and the dequantized weights of all layers would be in memory at once.
 */
function onceKnown(call: Call, values: readonly number[]): string {
  const { emit } = call;
  const flat = emit.op('Reshape', [call.dy(), emit.vector([-1])]);
  const first = emit.slice(flat, emit.vector([0]), emit.vector([1]), [0]);
  const positive = emit.op('Greater', [first, emit.scalar(call.type(call.y(0)), 0)]);
  const none = emit.mul(emit.cast(positive, 'int64'), emit.scalar('int64', 0));
  return emit.add(emit.vector(values), emit.reduceSum(none, [0], true));
}

/**
 * com.microsoft MatMulNBits, Y = A Wᵀ (+ bias) with W (N × K) in blocks of 4 or 8 bits: dA = dY · W, where DequantizeLinear reads W from the
 * same bytes. Needs opset 21; the weight itself has no gradient.
 */
const matMulNBits: GradientRule = (call) => {
  const { emit } = call;
  const [k, n, block] = [call.int('K', 0), call.int('N', 0), call.int('block_size', 0)];
  const bits = call.int('bits', 4);
  if (bits !== 4 && bits !== 8) return call.refuse(`${bits}-bit weights; 4 and 8 can be trained through`);
  if (emit.opset < 21)
    return call.refuse(`opset ${emit.opset} of ai.onnx; DequantizeLinear has blocks from 21 on`);
  if (call.has(INPUT.groups)) return call.refuse('columns in another order (g_idx)');
  const blocks = Math.ceil(k / block);
  const type: ElementType = bits === 4 ? 'uint4' : 'uint8';
  const input = (): string => {
    const blob = view(call, INPUT.blob, type, [n, blocks * block]);
    const scales = emit.op('Reshape', [call.x(INPUT.scales), onceKnown(call, [n, blocks])]);
    const weight = emit.op('DequantizeLinear', [blob, scales, zeroPoints(call, type, bits, [n, blocks])], {
      axis: int(1),
      block_size: int(block),
    });
    const whole = blocks * block === k ? weight : emit.slice(weight, emit.vector([0]), emit.vector([k]), [1]);
    return emit.op('MatMul', [call.dy(), whole]);
  };
  return [
    call.wants(INPUT.a) ? input() : undefined,
    undefined,
    undefined,
    undefined,
    undefined,
    call.wants(INPUT.bias) ? call.sumTo(call.dy(), INPUT.bias) : undefined,
  ];
};

export const quantizedRules: readonly OpRule[] = [
  {
    op: 'MatMulNBits',
    domain: 'com.microsoft',
    versions: [1],
    gradient: matMulNBits,
    refuses: [
      'other than 4 and 8 bits',
      'opset of ai.onnx below 21',
      'g_idx',
      'zero points that are not uint8, or of an odd number of 4-bit blocks',
      'trained scales',
    ],
  },
];
