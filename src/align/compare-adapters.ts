import { FedrotError } from '../errors.js';
import type { NamedTensor } from '../tensor/tensor.js';

/** One module's change from one version to another. */
export interface ModuleChange {
  /** Name of the tensor, or of the module whose factors were multiplied. */
  readonly module: string;
  /** ‖ΔW_to − ΔW_from‖_F. */
  readonly distance: number;
  /** The same over ‖ΔW_from‖_F; null where that is zero. */
  readonly relativeChange: number | null;
  /** Cosine between the two; null where one is zero. */
  readonly cosine: number | null;
  /** ‖ΔW‖_F of both, with the scale alpha / r. */
  readonly normFrom: number;
  readonly normTo: number;
}

export interface AdapterComparison {
  readonly total: Omit<ModuleChange, 'module'>;
  /** The largest changes first. */
  readonly modules: readonly ModuleChange[];
}

/** Squares and inner product of one module's two updates, or of all. */
export interface ModuleSums {
  readonly module: string;
  readonly sums: Sums;
}

interface Sums {
  from: number;
  to: number;
  both: number;
}

const FACTOR = /^(?:base_model\.model\.)?(.*)\.lora_([AB])\.weight$/;

function change({ from, to, both }: Sums): Omit<ModuleChange, 'module'> {
  const distance = Math.sqrt(Math.max(0, from - 2 * both + to));
  return {
    distance,
    relativeChange: from === 0 ? null : distance / Math.sqrt(from),
    cosine: from === 0 || to === 0 ? null : both / Math.sqrt(from * to),
    normFrom: Math.sqrt(from),
    normTo: Math.sqrt(to),
  };
}

/** Σ x_i y_i. */
function dot(x: Float32Array, y: Float32Array): number {
  let sum = 0;
  for (let at = 0; at < x.length; at++) sum += (x[at] ?? 0) * (y[at] ?? 0);
  return sum;
}

interface Factors {
  readonly a: NamedTensor;
  readonly b: NamedTensor;
}

/** ⟨B₁A₁, B₂A₂⟩ = tr((B₁ᵀB₂)(A₂A₁ᵀ)), without the products: ranks may differ. */
function innerProduct(x: Factors, y: Factors): number {
  const [r1 = 0, inSize = 0] = x.a.shape;
  const [r2 = 0] = y.a.shape;
  const [out = 0] = x.b.shape;
  let sum = 0;
  for (let i = 0; i < r1; i++)
    for (let j = 0; j < r2; j++) {
      const rows = dot(
        x.a.data.subarray(i * inSize, (i + 1) * inSize),
        y.a.data.subarray(j * inSize, (j + 1) * inSize),
      );
      let columns = 0;
      for (let row = 0; row < out; row++)
        columns += (x.b.data[row * r1 + i] ?? 0) * (y.b.data[row * r2 + j] ?? 0);
      sum += rows * columns;
    }
  return sum;
}

function modulesOf(tensors: readonly NamedTensor[]): Map<string, Factors | NamedTensor> {
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const modules = new Map<string, Factors | NamedTensor>();
  for (const tensor of tensors) {
    const [, module, factor] = FACTOR.exec(tensor.name) ?? [];
    if (module === undefined) modules.set(tensor.name.replace(/^base_model\.model\./, ''), tensor);
    else if (factor === 'A') {
      const b = byName.get(tensor.name.replace('.lora_A.', '.lora_B.'));
      if (b !== undefined) modules.set(module, { a: tensor, b });
    }
  }
  return modules;
}

function sumsOf(x: Factors | NamedTensor, y: Factors | NamedTensor, scale: number, module: string): Sums {
  if ('a' in x && 'a' in y) {
    const squared = scale * scale;
    return {
      from: squared * innerProduct(x, x),
      to: squared * innerProduct(y, y),
      both: squared * innerProduct(x, y),
    };
  }
  if ('a' in x || 'a' in y || x.data.length !== y.data.length)
    throw new FedrotError(
      'tensor_shape',
      `${module}: the two adapters hold different things under this name`,
    );
  return { from: dot(x.data, x.data), to: dot(y.data, y.data), both: dot(x.data, y.data) };
}

/**
 * How far one adapter is from another of the same modules, module by module, for whoever has other work to do in between: products
 * B · A are compared, never factors, whose basis means nothing. `scale` is alpha / r. Modules trained in full are compared value
 * by value. Throws tensor_name where the modules differ, tensor_shape.
 */
export function* moduleSums(
  from: readonly NamedTensor[],
  to: readonly NamedTensor[],
  scale: number,
): Generator<ModuleSums> {
  const first = modulesOf(from);
  const second = modulesOf(to);
  const strangers = [...first.keys(), ...second.keys()].filter(
    (name) => !first.has(name) || !second.has(name),
  );
  if (strangers.length > 0)
    throw new FedrotError(
      'tensor_name',
      `only one of the two adapters has ${strangers.slice(0, 3).join(', ')}`,
    );
  for (const [module, x] of first) yield { module, sums: sumsOf(x, second.get(module) ?? x, scale, module) };
}

/** What the sums of all modules say. */
export function comparisonOf(all: readonly ModuleSums[]): AdapterComparison {
  const total: Sums = { from: 0, to: 0, both: 0 };
  for (const { sums } of all) {
    total.from += sums.from;
    total.to += sums.to;
    total.both += sums.both;
  }
  const size = ({ relativeChange }: ModuleChange): number => relativeChange ?? Infinity;
  return {
    total: change(total),
    modules: all
      .map(({ module, sums }) => ({ module, ...change(sums) }))
      .sort((x, y) => size(y) - size(x) || (x.module < y.module ? -1 : 1)),
  };
}

/** Both at once. */
export const compareAdapters = (
  from: readonly NamedTensor[],
  to: readonly NamedTensor[],
  scale: number,
): AdapterComparison => comparisonOf([...moduleSums(from, to, scale)]);
