import type { Attribute, Graph, TensorValue } from './graph.js';

/** Short constructors: `{ axis: int(-1), epsilon: float(1e-12), perm: ints([0, 2, 1, 3]) }`. */
export const int = (value: number): Attribute => ({ kind: 'int', value });
export const float = (value: number): Attribute => ({ kind: 'float', value });
export const string = (value: string): Attribute => ({ kind: 'string', value });
export const tensor = (value: TensorValue): Attribute => ({ kind: 'tensor', value });
export const ints = (value: readonly number[]): Attribute => ({ kind: 'ints', value });
export const floats = (value: readonly number[]): Attribute => ({ kind: 'floats', value });
export const strings = (value: readonly string[]): Attribute => ({ kind: 'strings', value });
export const graph = (value: Graph): Attribute => ({ kind: 'graph', value });
