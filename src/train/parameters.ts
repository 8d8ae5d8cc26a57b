import { FedrotError } from '../errors.js';
import { elementCount } from '../tensor/dtype.js';
import type { NamedTensor } from '../tensor/tensor.js';
import { denseName } from './dense.js';
import { loraNames } from './lora.js';
import type { SessionOptions } from './session-types.js';

/** A trained tensor: how the adapter file calls it and how the graph takes it. */
export interface Parameter {
  /** PEFT's name. */
  readonly name: string;
  /** Shape in the adapter file. */
  readonly shape: readonly number[];
  /** The graph's input. */
  readonly input: string;
  /** Shape of the graph's input: `shape`, reversed where `transposed`. */
  readonly dims: readonly number[];
  readonly transposed: boolean;
  /** False for a LoRA factor that this session leaves as it is. */
  readonly trained: boolean;
}

/** All parameters of a session, in order of name (UTF-16 code units, as in the adapter file). */
export function sessionParameters(options: Pick<SessionOptions, 'lora' | 'dense' | 'train'>): Parameter[] {
  const { train = 'both' } = options;
  const parameters: Parameter[] = [];
  const plain = (name: string, shape: readonly number[], trained: boolean): void => {
    parameters.push({ name, shape, input: name, dims: shape, transposed: false, trained });
  };
  for (const { module, rank } of options.lora) {
    const { a, b } = loraNames(module.name);
    plain(a, [rank, module.in], train !== 'b');
    plain(b, [module.out, rank], train !== 'a');
  }
  for (const module of options.dense)
    for (const { parameter, initializer, shape, transposed } of module.tensors)
      parameters.push({
        name: denseName(module.name, parameter),
        shape,
        input: initializer,
        dims: transposed ? [...shape].reverse() : shape,
        transposed,
        trained: true,
      });
  parameters.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  parameters.forEach(({ name }, i) => {
    if (parameters[i - 1]?.name === name)
      throw new FedrotError('option_invalid', `parameter ${name} is listed twice`);
  });
  if (!parameters.some(({ trained }) => trained))
    throw new FedrotError('option_invalid', 'nothing to train: no LoRA module and no module trained in full');
  return parameters;
}

/** Rows and columns exchanged; `dims` is the shape of `data`. */
function transposed(data: Float32Array, [rows = 0, columns = 0]: readonly number[]): Float32Array {
  const result = new Float32Array(data.length);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) result[j * rows + i] = data[i * columns + j] ?? 0;
  return result;
}

/** A copy of a tensor of the adapter file as the graph takes it. Throws tensor_shape. */
export function toGraph(parameter: Parameter, tensor: NamedTensor): Float32Array {
  const { name, shape } = parameter;
  if (tensor.shape.join() !== shape.join() || tensor.data.length !== elementCount(shape))
    throw new FedrotError(
      'tensor_shape',
      `${name}: shape [${tensor.shape.join(', ')}] with ${tensor.data.length} elements, expected [${shape.join(', ')}]`,
    );
  return parameter.transposed ? transposed(tensor.data, shape) : tensor.data.slice();
}

/** A copy of what the graph holds as the adapter file has it. */
export function fromGraph(parameter: Parameter, data: Float32Array): NamedTensor {
  const { name, shape, dims } = parameter;
  return { name, shape, data: parameter.transposed ? transposed(data, dims) : data.slice() };
}

/** The tensors in the order of the parameters. Throws tensor_name where one is missing, unknown or given twice. */
export function matchNames(parameters: readonly Parameter[], tensors: readonly NamedTensor[]): NamedTensor[] {
  const given = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const known = new Set(parameters.map(({ name }) => name));
  const unknown = tensors.find(({ name }) => !known.has(name));
  if (unknown !== undefined)
    throw new FedrotError('tensor_name', `${unknown.name} is not a parameter of this session`);
  if (given.size !== tensors.length) throw new FedrotError('tensor_name', 'a parameter is given twice');
  return parameters.map(({ name }) => {
    const tensor = given.get(name);
    if (tensor === undefined) throw new FedrotError('tensor_name', `parameter ${name} is missing`);
    return tensor;
  });
}
