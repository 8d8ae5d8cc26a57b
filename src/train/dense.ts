import { FedrotError } from '../errors.js';
import type { Model, ValueInfo } from './ir/graph.js';
import type { DenseModule } from './modules.js';

/** PEFT's name of a parameter of a module that is trained in full. */
export function denseName(module: string, parameter: string): string {
  return `base_model.model.${module}.${parameter}`;
}

/**
 * Turns the initializers of modules that are trained in full into graph inputs of the same name.
 * Throws model_unsupported where one is missing or has another shape than the module says.
 */
export function freeDense(model: Model, modules: readonly DenseModule[]): Model {
  const initializers = new Map(model.graph.initializers);
  const inputs: ValueInfo[] = [...model.graph.inputs];
  for (const module of modules)
    for (const { initializer, shape, transposed } of module.tensors) {
      const tensor = initializers.get(initializer);
      const dims = transposed ? [...shape].reverse() : shape;
      if (tensor?.dims.join() !== dims.join())
        throw new FedrotError(
          'model_unsupported',
          `module ${module.name}: initializer ${initializer} ${tensor === undefined ? 'is not in the model' : `has shape [${tensor.dims.join(', ')}]`}, expected [${dims.join(', ')}]`,
        );
      initializers.delete(initializer);
      inputs.push({ name: initializer, type: tensor.type, dims: [...dims] });
    }
  return { ...model, graph: { ...model.graph, initializers, inputs } };
}
