import type { Extent } from '../../shapes/extent.js';
import type { Call, GradientRule, Gradients, OpRule } from '../rule.js';

interface Product {
  readonly transA: boolean;
  readonly transB: boolean;
  readonly alpha: number;
}

/** A matrix operand: at least two dimensions, the last two of which are the matrix. */
interface Operand {
  readonly name: string;
  readonly dims: readonly Extent[];
}

/**
 * Y = alpha · op(A) · op(B) over batches, from the gradient of Y. With G = alpha · dY:
 * d op(A) = G · op(B)ᵀ and d op(B) = op(A)ᵀ · G, transposed where the operand was.
 */
function matmulGradients(
  call: Call,
  a: Operand,
  b: Operand,
  y: Operand,
  dy: string,
  product: Product,
): Gradients {
  const { emit } = call;
  const { transA, transB, alpha } = product;
  const type = call.type(call.y(0));
  const times = (left: Operand, right: Operand, ta: boolean, tb: boolean): string =>
    emit.matmul(left.name, right.name, {
      type,
      ranks: [left.dims.length, right.dims.length],
      transA: ta,
      transB: tb,
      alpha,
    });
  const g: Operand = { name: dy, dims: y.dims };

  const gradientA = (): string => {
    const raw = transA ? times(b, g, transB, true) : times(g, b, false, !transB);
    return emit.sumTo(raw, batched(y.dims, a.dims), a.dims, a.name, call.where);
  };
  const gradientB = (): string => {
    // One matrix B for the whole batch: one product over all rows instead of a batch of products and their sum.
    const flatten =
      b.dims.length === 2 && a.dims.length > 2 && !transA && ![...a.dims, ...g.dims].includes(0);
    const flat = flatten ? rows(call, a, g) : undefined;
    const [left, right] = flat ?? [a, g];
    const raw = transB ? times(right, left, true, transA) : times(left, right, !transA, false);
    return flat ? raw : emit.sumTo(raw, batched(y.dims, b.dims), b.dims, b.name, call.where);
  };
  return [call.wants(0) ? gradientA() : undefined, call.wants(1) ? gradientB() : undefined];
}

/** Batch dimensions of the product with the matrix dimensions of the operand. */
function batched(product: readonly Extent[], operand: readonly Extent[]): Extent[] {
  return [...product.slice(0, -2), ...operand.slice(-2)];
}

/** Both with all dimensions but the last flattened into one. */
function rows(call: Call, a: Operand, g: Operand): [Operand, Operand] {
  const flatten = ({ name, dims }: Operand): Operand => {
    const last = dims.length - 1;
    const shape = call.emit.join([call.emit.vector([-1]), call.emit.dim(name, dims, last)]);
    return { name: call.emit.op('Reshape', [name, shape]), dims: ['rows', dims[last] ?? 1] };
  };
  return [flatten(a), flatten(g)];
}

/** numpy.matmul: a vector operand becomes a matrix for the product; its dimension of 1 is dropped again. */
const matMul: GradientRule = (call) => {
  const { emit } = call;
  const [aDims, bDims] = [call.xDims(0), call.xDims(1)];
  const aVector = aDims.length === 1;
  const bVector = bDims.length === 1;
  const axes = [...(aVector ? [-2] : []), ...(bVector ? [-1] : [])];
  const yDims: Extent[] = [...call.yDims()];
  if (aVector) yDims.splice(bVector ? yDims.length : yDims.length - 1, 0, 1);
  if (bVector) yDims.push(1);
  const rank = yDims.length;
  const dy = emit.unsqueeze(
    call.dy(),
    axes.map((axis) => axis + rank),
  );
  const a: Operand = aVector
    ? { name: emit.unsqueeze(call.x(0), [0]), dims: [1, ...aDims] }
    : { name: call.x(0), dims: aDims };
  const b: Operand = bVector
    ? { name: emit.unsqueeze(call.x(1), [1]), dims: [...bDims, 1] }
    : { name: call.x(1), dims: bDims };
  const [da, db] = matmulGradients(call, a, b, { name: call.y(0), dims: yDims }, dy, {
    transA: false,
    transB: false,
    alpha: 1,
  });
  return [
    da !== undefined && aVector ? emit.squeeze(da, [0]) : da,
    db !== undefined && bVector ? emit.squeeze(db, [1]) : db,
  ];
};

/** The first dimension moved to where the rows of the matrix are: what transBatchA and transBatchB mean. */
function rowsFirst(rank: number): number[] {
  return [...Array.from({ length: rank - 2 }, (_, i) => i + 1), 0, rank - 1];
}

/** And back. */
function rowsBack(rank: number): number[] {
  return [rank - 2, ...Array.from({ length: rank - 2 }, (_, i) => i), rank - 1];
}

/** com.microsoft: alpha · op(A) · op(B), as MatMul otherwise. */
const fusedMatMul: GradientRule = (call) => {
  const { emit } = call;
  const moved = [call.int('transBatchA', 0) !== 0, call.int('transBatchB', 0) !== 0];
  const operands = [0, 1].map((input): Operand => {
    const dims = call.xDims(input);
    if (dims.length < 2) return call.refuse('operands of fewer than two dimensions');
    if (moved[input] !== true) return { name: call.x(input), dims };
    const perm = rowsFirst(dims.length);
    return { name: emit.transpose(call.x(input), perm), dims: perm.map((axis) => dims[axis] ?? 1) };
  });
  const [a, b] = operands as [Operand, Operand];
  const gradients = matmulGradients(call, a, b, { name: call.y(0), dims: call.yDims() }, call.dy(), {
    transA: call.int('transA', 0) === 1,
    transB: call.int('transB', 0) === 1,
    alpha: call.float('alpha', 1),
  });
  return gradients.map((gradient, input) =>
    gradient !== undefined && moved[input] === true
      ? emit.transpose(gradient, rowsBack(call.rank(call.x(input))))
      : gradient,
  );
};

function gemmGradients(call: Call, dy: string): Gradients {
  const { emit } = call;
  const operand = (name: string): Operand => ({ name, dims: call.dims(name) });
  const product = matmulGradients(call, operand(call.x(0)), operand(call.x(1)), operand(call.y(0)), dy, {
    transA: call.int('transA', 0) === 1,
    transB: call.int('transB', 0) === 1,
    alpha: call.float('alpha', 1),
  });
  const bias = (): string => call.sumTo(emit.scale(dy, call.float('beta', 1), call.type(call.y(0))), 2);
  return [...product, call.wants(2) ? bias() : undefined];
}

/** alpha · op(A) · op(B) + beta · C */
const gemm: GradientRule = (call) => gemmGradients(call, call.dy());

/** Slopes in terms of the output, for the activations that FusedGemm has. */
const FUSED_SLOPE: Readonly<Record<string, (call: Call, y: string, one: string) => string>> = {
  Tanh: ({ emit }, y, one) => emit.sub(one, emit.mul(y, y)),
  Sigmoid: ({ emit }, y, one) => emit.mul(y, emit.sub(one, y)),
  Relu: (call, y) =>
    call.emit.cast(call.emit.op('Greater', [y, call.emit.scalar(call.type(y), 0)]), call.type(y)),
};

/** com.microsoft: Gemm and then the function that the attribute `activation` names. */
const fusedGemm: GradientRule = (call) => {
  const activation = call.attribute('activation', 'string') ?? '';
  const slope = FUSED_SLOPE[activation];
  if (slope === undefined) return call.refuse(`activation "${activation}"`);
  const y = call.y(0);
  return gemmGradients(call, call.emit.mul(call.dy(), slope(call, y, call.emit.scalar(call.type(y), 1))));
};

export const matmulRules: readonly OpRule[] = [
  { op: 'MatMul', versions: [1, 9, 13], gradient: matMul },
  { op: 'Gemm', versions: [7, 9, 11, 13], gradient: gemm },
  {
    op: 'FusedMatMul',
    domain: 'com.microsoft',
    versions: [1],
    gradient: fusedMatMul,
    refuses: ['operands of fewer than two dimensions'],
  },
  { op: 'FusedGemm', domain: 'com.microsoft', versions: [1], gradient: fusedGemm },
];
