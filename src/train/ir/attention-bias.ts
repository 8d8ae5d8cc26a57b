import { FedrotError } from '../../errors.js';
import type { Node, TensorValue } from './graph.js';
import { floatTensor, rawTensor } from './tensor-value.js';

/** com.microsoft Attention: inputs x, W and b of q, k and v side by side. */
const [WEIGHT, BIAS] = [1, 2];

/**
 * com.microsoft Attention with a bias of zeros where it has none, which means the same: without one, the CPU kernel of ONNX Runtime 1.30
 * reads through a null pointer and takes the process with it (test/train/ir/attention-bias.test.ts shows it). Other nodes as they are.
 * Throws op_unsupported where the bias's length is not known.
 */
export function withAttentionBias(node: Node, initializers: Map<string, TensorValue>): Node {
  if (node.domain !== 'com.microsoft' || node.op !== 'Attention' || (node.inputs[BIAS] ?? '') !== '')
    return node;
  const weight = initializers.get(node.inputs[WEIGHT] ?? '');
  const width = weight?.dims[1];
  if (weight === undefined || width === undefined || (weight.type !== 'float' && weight.type !== 'float16'))
    throw new FedrotError(
      'op_unsupported',
      `com.microsoft::Attention node "${node.name}": has no bias and no stored weight; ONNX Runtime cannot run it. Export it with a bias`,
    );
  const name = `fedrot/no_bias/${weight.type}/${width}`;
  const zeros =
    weight.type === 'float'
      ? floatTensor([width], new Float32Array(width))
      : rawTensor('float16', [width], new Uint8Array(2 * width));
  initializers.set(name, zeros);
  const inputs = node.inputs.length > BIAS ? node.inputs.with(BIAS, name) : [...node.inputs, name];
  return { ...node, inputs };
}
