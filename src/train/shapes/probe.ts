import { FedrotError } from '../../errors.js';
import { encodeModel, encodeWithProbes } from '../ir/codec.js';
import { pruneTo } from '../ir/prune.js';
import type { ElementType, Model, ValueInfo } from '../ir/graph.js';
import { openRuntime, type RuntimeData, type RuntimeInfo, type RuntimeTensor } from '../ort.js';
import { dimensionKey, productExtent, type Extent, type ValueTypes } from './extent.js';

/**
 * Sizes that named dimensions are set to, one pair a name. All numbers differ and none is common, so a dimension that agrees in
 * both probes is fixed, and two dimensions that agree in both have the same run-time size.
 */
const PROBE_SIZES: readonly (readonly [number, number])[] = [
  [3, 5],
  [7, 11],
  [13, 17],
  [19, 23],
  [29, 31],
  [37, 41],
];

/** Ops of ai.onnx whose outputs are sequences of tensors, which have no one shape. */
const SEQUENCES: ReadonlySet<string> = new Set([
  ...[
    'SplitToSequence',
    'SequenceConstruct',
    'SequenceEmpty',
    'SequenceErase',
    'SequenceInsert',
    'SequenceMap',
  ],
]);

/** Refused before ONNX Runtime runs anything: such a graph of Longformer on zeros ended the process (SIGFPE). */
function refuseSequences({ graph, opsets }: Model): void {
  const node = graph.nodes.find(({ op, domain }) => domain === '' && SEQUENCES.has(op));
  if (node !== undefined)
    throw new FedrotError(
      'op_unsupported',
      `${node.op} node "${node.name}" (opset ${opsets.get('') ?? 1} of ai.onnx): sequences of tensors are not differentiated; torch.onnx with dynamo=True writes none`,
    );
}

/**
 * Type and shape of every value, by ONNX Runtime's own inference: each value becomes an untyped output of a session whose inputs have
 * fixed sizes, at two sizes. Where inference does not tell a shape, the graph is run on zeros.
 */
export async function probeTypes(model: Model, folder?: string): Promise<ValueTypes> {
  refuseSequences(model);
  return atSizes(model, (sizes) => typesAt(model, sizes, folder));
}

type Sizes = ReadonlyMap<string, readonly [number, number]>;

/**
 * What `probe` finds at the sizes of the named dimensions. A model that does not run at them (a table of 8 positions and a sequence of 11)
 * is tried at the same sizes the other way round; where that does not run either, the first error is thrown.
 */
async function atSizes<T>(model: Model, probe: (sizes: Sizes) => Promise<T>): Promise<T> {
  const sizes = assignSizes(model.graph.inputs);
  try {
    return await probe(sizes);
  } catch (error) {
    const names = [...sizes.keys()];
    if (names.length < 2) throw error;
    const turned = new Map([...sizes.values()].reverse().map((pair, i) => [names[i] ?? '', pair] as const));
    return await probe(turned).catch(() => {
      throw error;
    });
  }
}

async function typesAt(model: Model, sizes: Sizes, folder?: string): Promise<ValueTypes> {
  const first = await probeOnce(model, (name) => sizes.get(name)?.[0] ?? 1, folder);
  const second = await probeOnce(model, (name) => sizes.get(name)?.[1] ?? 1, folder);
  const known = new Map<string, { type: ElementType; dims: readonly Extent[] }>();
  for (const [name, value] of model.graph.initializers) known.set(name, value);
  for (const [name, { type, dims }] of first) {
    const other = second.get(name)?.dims ?? [];
    if (other.length !== dims.length)
      throw new FedrotError(
        'model_unsupported',
        `value ${name} has a number of dimensions that depends on the input`,
      );
    known.set(name, { type, dims: dims.map((dim, i): Extent => extentOf(dim, other[i] ?? dim, sizes)) });
  }
  const find = (value: string): { type: ElementType; dims: readonly Extent[] } => {
    const found = known.get(value);
    if (found === undefined)
      throw new FedrotError('internal', `the shape of value ${value} was not inferred`);
    return found;
  };
  return {
    has: (value) => known.has(value),
    type: (value) => find(value).type,
    dims: (value) => find(value).dims,
  };
}

function extentOf(
  first: number,
  second: number,
  sizes: ReadonlyMap<string, readonly [number, number]>,
): Extent {
  if (first === second) return first;
  for (const [name, pair] of sizes) if (pair[0] === first && pair[1] === second) return name;
  return asProduct(first, second, sizes) ?? `${first}|${second}`;
}

/** `batch*sequence`, `4*batch`: a product of named sizes and a number that both probes agree on. */
function asProduct(
  first: number,
  second: number,
  sizes: ReadonlyMap<string, readonly [number, number]>,
): Extent | undefined {
  const names: string[] = [];
  let [a, b] = [first, second];
  for (const [name, pair] of sizes)
    while (a > 0 && b > 0 && a % pair[0] === 0 && b % pair[1] === 0) {
      names.push(name);
      a /= pair[0];
      b /= pair[1];
    }
  if (a !== b || names.length === 0) return undefined;
  return productExtent(a, names);
}

/** A pair of sizes for every named dimension; a nameless one counts as a name of its own. */
function assignSizes(inputs: readonly ValueInfo[]): Map<string, readonly [number, number]> {
  const sizes = new Map<string, readonly [number, number]>();
  for (const { name, dims } of inputs)
    dims.forEach((dim, i) => {
      const key = dimensionKey(name, dim, i);
      if (typeof dim === 'number' || sizes.has(key)) return;
      const pair = PROBE_SIZES[sizes.size];
      if (pair === undefined)
        throw new FedrotError(
          'model_unsupported',
          `more than ${PROBE_SIZES.length} named dimensions among the inputs`,
        );
      sizes.set(key, pair);
    });
  return sizes;
}

type FixedInput = ValueInfo & { readonly dims: number[] };

function fixedInputs(model: Model, sizeOf: (dimension: string) => number): FixedInput[] {
  return model.graph.inputs.map((input) => ({
    ...input,
    dims: input.dims.map((dim, i) =>
      typeof dim === 'number' ? dim : sizeOf(dimensionKey(input.name, dim, i)),
    ),
  }));
}

/** What the values hold at both probed sizes, the inputs being zeros. */
export async function probeValues(
  model: Model,
  values: readonly string[],
  folder?: string,
): Promise<Record<string, RuntimeTensor>[]> {
  return atSizes(model, async (sizes) => {
    const results: Record<string, RuntimeTensor>[] = [];
    for (const which of [0, 1]) {
      const inputs = fixedInputs(model, (name) => sizes.get(name)?.[which] ?? 1);
      results.push(await runOnZeros(model, inputs, values, () => 'bool', folder));
    }
    return results;
  });
}

async function probeOnce(
  model: Model,
  sizeOf: (dimension: string) => number,
  folder: string | undefined,
): Promise<Map<string, RuntimeInfo>> {
  const inputs = fixedInputs(model, sizeOf);
  const fixed: Model = { ...model, graph: { ...model.graph, inputs, outputs: [] } };
  const values = model.graph.nodes.flatMap((node) => node.outputs.filter((output) => output !== ''));
  const runtime = await openRuntime(encodeWithProbes(fixed, values), {
    optimization: 'disabled',
    ...(folder === undefined ? {} : { folder }),
  });
  const found = new Map<string, RuntimeInfo>(inputs.map((input) => [input.name, input]));
  for (const info of runtime.outputs) found.set(info.name, info);
  await runtime.close();
  // An empty list of dimensions is a scalar or a shape that inference could not tell.
  const doubtful = values.filter((value) => {
    const dims = found.get(value)?.dims ?? [];
    return dims.length === 0 || dims.includes(-1);
  });
  if (doubtful.length > 0)
    for (const info of await runForShapes(fixed, inputs, doubtful, found, folder)) found.set(info.name, info);
  return found;
}

/** Runs what the values in doubt need, on zeros, and reads the shapes off the results. */
async function runForShapes(
  model: Model,
  inputs: readonly FixedInput[],
  values: readonly string[],
  found: ReadonlyMap<string, RuntimeInfo>,
  folder: string | undefined,
): Promise<RuntimeInfo[]> {
  const results = await runOnZeros(model, inputs, values, (name) => found.get(name)?.type ?? 'float', folder);
  return Object.entries(results).map(([name, { type, dims }]) => ({ name, type, dims }));
}

async function runOnZeros(
  model: Model,
  inputs: readonly FixedInput[],
  values: readonly string[],
  typeOf: (value: string) => ElementType,
  folder: string | undefined,
): Promise<Record<string, RuntimeTensor>> {
  const outputs = values.map((name) => ({ name, type: typeOf(name), dims: [], unknownRank: true }));
  const pruned = pruneTo(model, outputs);
  const used = new Set(pruned.graph.inputs.map(({ name }) => name));
  const runtime = await openRuntime(encodeModel(pruned), {
    optimization: 'disabled',
    ...(folder === undefined ? {} : { folder }),
  });
  try {
    const feeds = Object.fromEntries(
      inputs.filter(({ name }) => used.has(name)).map((input) => [input.name, zeros(input.type, input.dims)]),
    );
    return await runtime.run(feeds, values);
  } finally {
    await runtime.close();
  }
}

function zeros(type: ElementType, dims: readonly number[]): RuntimeTensor {
  const count = dims.reduce((product, dim) => product * dim, 1);
  const data = ((): RuntimeData => {
    switch (type) {
      case 'float':
        return new Float32Array(count);
      case 'double':
        return new Float64Array(count);
      case 'int64':
        return new BigInt64Array(count);
      case 'int32':
        return new Int32Array(count);
      case 'float16':
        return new Uint16Array(count);
      case 'bool':
      case 'uint8':
        return new Uint8Array(count);
      default:
        throw new FedrotError('model_unsupported', `graph inputs of type ${type} are not supported`);
    }
  })();
  return { type, dims, data };
}
