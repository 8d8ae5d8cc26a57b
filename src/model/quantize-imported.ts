import type { Model, TensorValue } from '../train/ir/graph.js';
import { normalizeModel } from '../train/ir/normalize.js';
import { tensorBytes } from '../train/ir/tensor-value.js';
import { quantizeModel, type QuantizeOptions } from '../train/quantize/quantize-model.js';
import type { ImportedModel } from './import-checkpoint.js';
import type { FileSink } from './weight-sink.js';

export type Quantization = Pick<QuantizeOptions, 'bits' | 'block'>;

/**
 * An imported model with the weights of its linear layers in 4 or 8 bits, whose full weights lie in `folder`. Heads stay as
 * they are, since they may be trained in full; other modules in few bits can only be adapted.
 */
export function quantizeImported(
  imported: ImportedModel,
  quantization: Quantization,
  folder: string,
  sink: Pick<FileSink, 'raw'>,
): ImportedModel {
  const isHead = (name: string): boolean =>
    imported.headModules.some((head) => name === head || name.startsWith(`${head}.`));
  const keep = new Set(
    imported.dense
      .filter(({ name }) => isHead(name))
      .flatMap(({ tensors }) => tensors.map((t) => t.initializer)),
  );
  const inline = (value: TensorValue): Uint8Array => tensorBytes(value, folder);
  const { model, quantized } = quantizeModel(normalizeModel(imported.model, folder), {
    ...quantization,
    folder,
    keep,
    store: (value) => sink.raw(value, () => inline(value)),
  });
  const packed = new Set(quantized);
  return {
    ...imported,
    model: moved(model, imported.model, folder, sink, packed),
    adaptable: imported.adaptable.map((module) =>
      packed.has(module.weight.initializer)
        ? { ...module, weight: { ...module.weight, layout: 'out_in' } }
        : module,
    ),
    dense: imported.dense.filter(({ tensors }) =>
      tensors.every(({ initializer }) => !packed.has(initializer)),
    ),
  };
}

/** What was not quantized goes to the new file as it is. */
function moved(
  model: Model,
  before: Model,
  folder: string,
  sink: Pick<FileSink, 'raw'>,
  packed: ReadonlySet<string>,
): Model {
  const initializers = new Map<string, TensorValue>();
  for (const [name, value] of model.graph.initializers) {
    const stays = before.graph.initializers.has(name) && !packed.has(name);
    initializers.set(name, stays ? sink.raw(value, () => tensorBytes(value, folder)) : value);
  }
  return { ...model, graph: { ...model.graph, initializers } };
}
