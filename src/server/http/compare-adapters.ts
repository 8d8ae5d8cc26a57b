import type { ModuleChange } from '../../api/types.js';
import { adapterLayout } from '../../align/layout.js';
import { innerProduct, type SmallMatrix } from '../../align/small-matrix.js';
import { FedrotError } from '../../errors.js';
import { openTensorFile, type TensorFile } from '../../tensor/safetensors-file.js';

/**
 * How far two adapters' updates B · A lie apart, by module and in total, without ever forming B · A:
 * ⟨B₁A₁, B₂A₂⟩ = Σ (A₁A₂ᵀ) ∘ (B₁ᵀB₂). Relative to the factors, without the scale alpha / r. Throws precondition_failed where
 * they are not of the same modules.
 */
export async function compareAdapters(
  fromPath: string,
  toPath: string,
): Promise<{ modules: readonly ModuleChange[]; total: Omit<ModuleChange, 'module'> }> {
  const files: TensorFile[] = [];
  try {
    const [from, to] = [fromPath, toPath].map((path) => {
      const file = openTensorFile(path);
      files.push(file);
      return file;
    }) as [TensorFile, TensorFile];
    const layouts = [from, to].map((file) => adapterLayout(file.tensors).modules) as [
      ReturnType<typeof adapterLayout>['modules'],
      ReturnType<typeof adapterLayout>['modules'],
    ];
    const names = layouts[0].map(({ module }) => module);
    if (JSON.stringify(names) !== JSON.stringify(layouts[1].map(({ module }) => module)))
      throw new FedrotError('precondition_failed', 'the two adapters are not of the same modules');
    const squares = { from: 0, to: 0, inner: 0 };
    const modules: ModuleChange[] = [];
    for (const [index, layout] of layouts[0].entries()) {
      const one = factorsOf(from, layout);
      const two = factorsOf(to, layouts[1][index] ?? layout);
      const found = { from: product(one, one), to: product(two, two), inner: product(one, two) };
      squares.from += found.from;
      squares.to += found.to;
      squares.inner += found.inner;
      modules.push({ module: layout.module, ...changeOf(found) });
      await new Promise(setImmediate); // other requests in between
    }
    return { modules, total: changeOf(squares) };
  } finally {
    for (const file of files) file.close();
  }
}

interface Pair {
  readonly a: Float32Array;
  readonly b: Float32Array;
  readonly r: number;
  readonly in: number;
  readonly out: number;
}

function factorsOf(file: TensorFile, layout: ReturnType<typeof adapterLayout>['modules'][number]): Pair {
  const { r, in: inner, out } = layout;
  return { a: file.read(layout.a), b: file.read(layout.b), r, in: inner, out };
}

/** ⟨B₁A₁, B₂A₂⟩_F. */
function product(one: Pair, two: Pair): number {
  const rows: SmallMatrix = new Float64Array(one.r * two.r);
  const columns: SmallMatrix = new Float64Array(one.r * two.r);
  for (let i = 0; i < one.r; i++)
    for (let j = 0; j < two.r; j++) {
      let sum = 0;
      for (let k = 0; k < one.in; k++) sum += (one.a[i * one.in + k] ?? 0) * (two.a[j * two.in + k] ?? 0);
      rows[i * two.r + j] = sum;
      sum = 0;
      for (let k = 0; k < one.out; k++) sum += (one.b[k * one.r + i] ?? 0) * (two.b[k * two.r + j] ?? 0);
      columns[i * two.r + j] = sum;
    }
  return innerProduct(rows, columns);
}

function changeOf(squares: { from: number; to: number; inner: number }): Omit<ModuleChange, 'module'> {
  const [normFrom, normTo] = [Math.sqrt(Math.max(0, squares.from)), Math.sqrt(Math.max(0, squares.to))];
  const both = normFrom * normTo;
  return {
    normFrom,
    normTo,
    distance: Math.sqrt(Math.max(0, squares.from + squares.to - 2 * squares.inner)),
    cosine: both === 0 ? null : Math.max(-1, Math.min(1, squares.inner / both)),
  };
}
