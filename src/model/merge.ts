import { FedrotError } from '../errors.js';
import { groupBy } from '../group-by.js';
import { encodeF16 } from '../tensor/half.js';
import type { NamedTensor } from '../tensor/tensor.js';
import { loadModel } from '../train/ir/files.js';
import type { Model, Node, TensorValue } from '../train/ir/graph.js';
import { normalizeModel } from '../train/ir/normalize.js';
import { floatTensor, rawTensor, tensorBytes, tensorFloats } from '../train/ir/tensor-value.js';
import { injectLora, loraNames } from '../train/lora.js';
import { matchNames, sessionParameters, toGraph } from '../train/parameters.js';
import type { LoraSite } from '../train/session-types.js';
import { readersOf } from '../train/weight-uses.js';
import { addLora } from './add-lora.js';
import type { Bundle } from './bundle.js';
import type { AdapterInput } from './language-model.js';
import { resolveLora } from './resolve-lora.js';
import type { FileSink } from './weight-sink.js';

/** A model with an adapter in it. */
export interface MergedModel {
  readonly model: Model;
  /** Modules whose weight now holds W + scale · B A. */
  readonly merged: readonly string[];
  /**
   * Modules whose factors stay beside their weight, as nodes of their own, because the weight is quantized or serves as
   * the embedding too. The result is the same.
   */
  readonly attached: readonly string[];
}

/** A weight that numbers can be added to, and that only serves as the module's. */
function isMergeable(tensor: TensorValue, readers: readonly Node[]): boolean {
  const plain = tensor.type === 'float' || tensor.type === 'float16';
  return plain && tensor.dims.length === 2 && readers.every(({ op }) => op !== 'Gather');
}

/**
 * The bundle's model with the adapter in its weights: no LoRA inputs are left, and stock ONNX Runtime runs it. Weights go to
 * `sink` one at a time. Throws as resolveLora does, tensor_name or tensor_shape for an adapter that is not the bundle's.
 */
export function mergeModel(bundle: Bundle, adapter: AdapterInput, sink: Pick<FileSink, 'raw'>): MergedModel {
  const { folder, manifest } = bundle;
  const { lora, dense } = resolveLora(bundle, adapter.settings);
  const parameters = sessionParameters({ lora, dense });
  const tensors = matchNames(parameters, adapter.tensors);
  const values = new Map<string, Float32Array>(
    parameters.map((parameter, i) => [
      parameter.input,
      toGraph(parameter, tensors[i] ?? missing(parameter.name)),
    ]),
  );
  const base = normalizeModel(loadModel(folder, manifest.model.file), folder);
  const readers = readersOf(base);
  const initializerOf = ({ module }: LoraSite): TensorValue => {
    const tensor = base.graph.initializers.get(module.weight.initializer);
    if (tensor !== undefined) return tensor;
    throw new FedrotError(
      'file_invalid',
      `${manifest.model.file}: has no initializer ${module.weight.initializer} (module ${module.name})`,
    );
  };
  const canMerge = (site: LoraSite): boolean =>
    isMergeable(initializerOf(site), readers.get(site.module.weight.initializer) ?? []);
  const [inside, beside] = [lora.filter(canMerge), lora.filter((site) => !canMerge(site))];
  const model = withValues(injectLora(base, beside), beside, values);

  const sites = groupBy(inside, ({ module }) => module.weight.initializer);
  const initializers = new Map<string, TensorValue>();
  for (const [name, value] of model.graph.initializers) {
    const trained = values.get(name);
    const changed =
      trained === undefined
        ? mergedWeight(value, folder, sites.get(name) ?? [], values)
        : withNumbers(value, trained);
    initializers.set(
      name,
      sink.raw(changed, () => tensorBytes(changed, folder)),
    );
  }
  return {
    model: { ...model, graph: { ...model.graph, initializers } },
    merged: inside.map(({ module }) => module.name),
    attached: beside.map(({ module }) => module.name),
  };
}

function missing(name: string): NamedTensor {
  throw new FedrotError('tensor_name', `parameter ${name} is missing`);
}

/** Factors that injectLora made graph inputs become initializers. */
function withValues(
  model: Model,
  sites: readonly LoraSite[],
  values: ReadonlyMap<string, Float32Array>,
): Model {
  const names = new Set(sites.flatMap(({ module }) => Object.values(loraNames(module.name))));
  const initializers = new Map(model.graph.initializers);
  for (const { name, dims } of model.graph.inputs)
    if (names.has(name)) initializers.set(name, floatTensor(dims.map(Number), values.get(name) ?? []));
  const inputs = model.graph.inputs.filter(({ name }) => !names.has(name));
  return { ...model, graph: { ...model.graph, inputs, initializers } };
}

function mergedWeight(
  value: TensorValue,
  folder: string,
  sites: readonly LoraSite[],
  values: ReadonlyMap<string, Float32Array>,
): TensorValue {
  if (sites.length === 0) return value;
  const matrix = Float32Array.from(tensorFloats(value, folder));
  for (const site of sites) {
    const { a, b } = loraNames(site.module.name);
    addLora(matrix, value.dims, site, {
      a: values.get(a) ?? new Float32Array(),
      b: values.get(b) ?? new Float32Array(),
    });
  }
  return withNumbers(value, matrix);
}

/** The same tensor with other numbers, in its own type. */
function withNumbers({ type, dims }: TensorValue, numbers: Float32Array): TensorValue {
  if (type !== 'float16') return floatTensor(dims, numbers);
  const half = encodeF16(numbers);
  return rawTensor(type, dims, new Uint8Array(half.buffer, half.byteOffset, half.byteLength));
}
