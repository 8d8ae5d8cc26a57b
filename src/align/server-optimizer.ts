import type { ServerOptimizerSpec } from '../run-spec.js';
import type { NamedTensor, TensorSource } from '../tensor/tensor.js';

type Momentum = Extract<ServerOptimizerSpec, { kind: 'fedavgm' }>;
type Adaptive = Exclude<ServerOptimizerSpec, Momentum>;

/** How the second moment v of one coordinate goes on with Δ² (arXiv 2003.00295, Algorithm 2). */
function secondMoment(spec: Adaptive): (v: number, square: number) => number {
  switch (spec.kind) {
    case 'fedadagrad':
      return (v, square) => v + square;
    case 'fedadam':
      return (v, square) => spec.beta2 * v + (1 - spec.beta2) * square;
    case 'fedyogi':
      return (v, square) => v - (1 - spec.beta2) * square * Math.sign(v - square);
  }
}

/** Names of the moments in CombineResult.state. */
const stateName = (moment: 'm' | 'v', tensor: string): string => `server_optimizer.${moment}.${tensor}`;

export interface Stepped {
  readonly tensors: NamedTensor[];
  readonly state: NamedTensor[];
}

/**
 * A step of the server's optimizer on every tensor: Δ = combined − previous counts as the gradient, and previous + step is published
 * (arXiv 2003.00295, Algorithm 2; FedAvgM: m ← β m + Δ, step η m, arXiv 1909.06335). Moments begin at 0, the second one at τ². `moves`
 * says which tensors took part in the round: the others, with their moments, stay.
 */
export function serverStep(
  spec: ServerOptimizerSpec,
  combined: readonly NamedTensor[],
  previous: TensorSource,
  state: TensorSource | undefined,
  moves: (tensor: string) => boolean,
): Stepped {
  const result: Stepped = { tensors: [], state: [] };
  for (const { name, shape, data } of combined) {
    const old = previous.read(name);
    const moments = momentsOf(spec, name, data.length, state);
    const next = data.slice();
    if (!moves(name)) next.set(old);
    else if (spec.kind === 'fedavgm') momentumStep(spec, next, old, moments.m!);
    else adaptiveStep(spec, next, old, moments.m!, moments.v!);
    result.tensors.push({ name, shape, data: next });
    for (const moment of ['m', 'v'] as const) {
      const values = moments[moment];
      if (values) result.state.push({ name: stateName(moment, name), shape, data: values });
    }
  }
  return result;
}

/** By letter: m, and v where the optimizer has a second moment. */
type Moments = Readonly<Partial<Record<'m' | 'v', Float32Array>>>;

function momentsOf(
  spec: ServerOptimizerSpec,
  name: string,
  n: number,
  state: TensorSource | undefined,
): Moments {
  const read = (moment: 'm' | 'v', start: number): Float32Array =>
    state?.read(stateName(moment, name)).slice() ?? new Float32Array(n).fill(start);
  return spec.kind === 'fedavgm' ? { m: read('m', 0) } : { m: read('m', 0), v: read('v', spec.tau ** 2) };
}

/** x: the combined values, and then what is published. */
function momentumStep(spec: Momentum, x: Float32Array, old: Float32Array, m: Float32Array): void {
  for (let i = 0; i < x.length; i++) {
    m[i] = spec.momentum * m[i]! + (x[i]! - old[i]!);
    x[i] = old[i]! + spec.learningRate * m[i]!;
  }
}

function adaptiveStep(
  spec: Adaptive,
  x: Float32Array,
  old: Float32Array,
  m: Float32Array,
  v: Float32Array,
): void {
  const next = secondMoment(spec);
  for (let i = 0; i < x.length; i++) {
    const delta = x[i]! - old[i]!;
    m[i] = spec.beta1 * m[i]! + (1 - spec.beta1) * delta;
    v[i] = next(v[i]!, delta ** 2);
    x[i] = old[i]! + (spec.learningRate * m[i]!) / (Math.sqrt(v[i]!) + spec.tau);
  }
}
