import { FedrotError } from '../errors.js';
import type { TensorInfo, TensorSource } from '../tensor/tensor.js';
import { toRows, type RowFactors } from './row-factors.js';

/** One adapted module of an adapter: the tensors that hold its factors, and their sizes. */
export interface ModuleLayout {
  /** e.g. `bert.encoder.layer.0.attention.self.query`. */
  readonly module: string;
  /** Tensor names of A (r × in) and B (out × r). */
  readonly a: string;
  readonly b: string;
  readonly r: number;
  readonly in: number;
  readonly out: number;
}

export interface AdapterLayout {
  /** In order of tensor name. */
  readonly modules: readonly ModuleLayout[];
  /** Everything else: heads and other parameters trained in full. */
  readonly dense: readonly TensorInfo[];
}

const FACTOR = /^(.+)\.lora_([AB])\.weight$/;
const PEFT_PREFIX = /^base_model\.model\./;

/** Which factor of a module a tensor is, and what its two tensors are called; undefined for dense ones. */
export function factorOf(
  name: string,
): { readonly side: 'a' | 'b'; readonly a: string; readonly b: string } | undefined {
  const match = FACTOR.exec(name);
  if (!match) return undefined;
  const [, path, letter] = match;
  return {
    side: letter === 'A' ? 'a' : 'b',
    a: `${path}.lora_A.weight`,
    b: `${path}.lora_B.weight`,
  };
}

/** Sorts an adapter's tensors into LoRA modules and dense ones. Throws tensor_name for half a pair, tensor_shape where a pair does not fit. */
export function adapterLayout(tensors: readonly TensorInfo[]): AdapterLayout {
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const modules: ModuleLayout[] = [];
  const dense: TensorInfo[] = [];
  for (const tensor of tensors) {
    const match = FACTOR.exec(tensor.name);
    if (!match) {
      dense.push(tensor);
      continue;
    }
    const [, path = '', factor] = match;
    const other = byName.get(`${path}.lora_${factor === 'A' ? 'B' : 'A'}.weight`);
    if (!other)
      throw new FedrotError(
        'tensor_name',
        `module ${path} has lora_${factor}.weight but not its counterpart`,
      );
    if (factor === 'A') modules.push(moduleLayout(path, tensor, other));
  }
  return { modules, dense };
}

function moduleLayout(path: string, a: TensorInfo, b: TensorInfo): ModuleLayout {
  const [r = 0, inputs = 0] = a.shape;
  const [out = 0, columns = 0] = b.shape;
  if (a.shape.length !== 2 || b.shape.length !== 2 || r !== columns || r < 1 || inputs < 1 || out < 1)
    throw new FedrotError(
      'tensor_shape',
      `module ${path}: lora_A must be r × in and lora_B out × r, all at least 1; got [${a.shape.join(', ')}] and [${b.shape.join(', ')}]`,
    );
  return { module: path.replace(PEFT_PREFIX, ''), a: a.name, b: b.name, r, in: inputs, out };
}

/** Reads a module's factors. */
export function readFactors(source: TensorSource, { a, b, r, in: inputs, out }: ModuleLayout): RowFactors {
  return toRows({ r, in: inputs, out, a: source.read(a), b: source.read(b) });
}
