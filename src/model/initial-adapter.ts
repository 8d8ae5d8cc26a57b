import { FedrotError } from '../errors.js';
import { Random } from '../random.js';
import { canonicalOrder } from '../tensor/canonical.js';
import type { NamedTensor } from '../tensor/tensor.js';
import { loadModel } from '../train/ir/files.js';
import { tensorBytes } from '../train/ir/tensor-value.js';
import type { DenseModule } from '../train/modules.js';
import { sessionParameters } from '../train/parameters.js';
import type { LoraSite } from '../train/session-types.js';
import type { Bundle } from './bundle.js';
import { parameterName } from './peft-names.js';
import { resolveLora, type LoraTargets } from './resolve-lora.js';
import { transpose } from './transpose.js';

/**
 * Version 0 of a run's adapter, in order of name: A from U(−1/√in, 1/√in), which is PEFT's Kaiming-uniform
 * with a = √5; B = 0; modules trained in full as the bundle has them. Each A has a stream of its own by seed
 * and module, so another choice of modules does not change it. Throws as resolveLora does.
 */
export function initialAdapter(bundle: Bundle, spec: LoraTargets, seed: number): NamedTensor[] {
  const { lora, dense } = resolveLora(bundle, spec);
  return canonicalOrder([...lora.flatMap((site) => factors(site, seed)), ...denseTensors(bundle, dense)]);
}

/**
 * The same, begun from an existing adapter: its factors and heads as they are, and what it lacks of the modules trained in full as the
 * bundle has it. Throws tensor_name or tensor_shape where it has other modules, or another rank, than the run.
 */
export function continuedAdapter(
  bundle: Bundle,
  spec: LoraTargets,
  existing: readonly NamedTensor[],
): NamedTensor[] {
  const { lora, dense } = resolveLora(bundle, spec);
  const wanted = sessionParameters({ lora, dense });
  const given = new Map(existing.map((tensor) => [tensor.name, tensor]));
  const own = new Map(denseTensors(bundle, dense).map((tensor) => [tensor.name, tensor]));
  const chosen = wanted.map(({ name, shape }) => {
    const tensor = given.get(name) ?? own.get(name);
    if (tensor === undefined)
      throw new FedrotError(
        'tensor_name',
        `the adapter to begin with has no ${name}: lora.targetModules of the run must mean the modules that it adapts`,
      );
    if (tensor.shape.join() !== shape.join())
      throw new FedrotError(
        'tensor_shape',
        `the adapter to begin with has ${name} of shape [${tensor.shape.join(', ')}]; the run needs [${shape.join(', ')}]: its lora.rank and the bundle must be the adapter's`,
      );
    return tensor;
  });
  const known = new Set(wanted.map(({ name }) => name));
  const spare = existing.find(({ name }) => !known.has(name));
  if (spare !== undefined)
    throw new FedrotError(
      'tensor_name',
      `the adapter to begin with has ${spare.name}, which the run does not train: name its module in lora.targetModules or lora.modulesToSave`,
    );
  return chosen;
}

function factors({ module, rank }: LoraSite, seed: number): NamedTensor[] {
  const random = Random.of(seed, 'lora_A', module.name);
  const bound = 1 / Math.sqrt(module.in);
  const a = new Float32Array(rank * module.in);
  for (let i = 0; i < a.length; i++) a[i] = random.uniform(-bound, bound);
  return [
    { name: parameterName(module.name, 'lora_A.weight'), shape: [rank, module.in], data: a },
    {
      name: parameterName(module.name, 'lora_B.weight'),
      shape: [module.out, rank],
      data: new Float32Array(module.out * rank),
    },
  ];
}

/**
 * Modules trained in full, with PEFT's names and shapes, from the bundle's weights. Throws file_invalid where
 * they are not float32 in the graph.
 */
export function denseTensors(bundle: Bundle, modules: readonly DenseModule[]): NamedTensor[] {
  const { folder, manifest } = bundle;
  const { initializers } = loadModel(folder, manifest.model.file).graph;
  return modules.flatMap((module) =>
    module.tensors.map(({ parameter, initializer, shape, transposed }) => {
      const value = initializers.get(initializer);
      if (value?.type !== 'float')
        throw new FedrotError(
          'file_invalid',
          `${manifest.model.file}: initializer ${initializer} of module ${module.name} is ${value ? value.type : 'missing'}; it must be float`,
        );
      const stored = new Float32Array(new Uint8Array(tensorBytes(value, folder)).buffer);
      const [out = 1, inner = 1] = shape;
      const data = transposed ? transpose(stored, inner, out) : stored;
      return { name: parameterName(module.name, parameter), shape, data };
    }),
  );
}
