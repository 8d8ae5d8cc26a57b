import { isFloating } from './ir/element-type.js';
import type { TensorValue } from './ir/graph.js';
import { tensorFloats } from './ir/tensor-value.js';

/** Weights of the checkpoint that a graph was exported from. */
export interface ReferenceWeights {
  readonly names: readonly string[];
  shape(name: string): readonly number[];
  /** Row-major, as float32. */
  read(name: string): Float32Array;
}

export interface WeightToMatch {
  readonly tensor: TensorValue;
  readonly layout: 'in_out' | 'out_in';
  readonly in: number;
  readonly out: number;
}

/** A module of the checkpoint and which outputs of the weight are its. */
export interface WeightMatch {
  readonly name: string;
  readonly out: number;
  /** The first output. */
  readonly first: number;
}

const WEIGHT = '.weight';

/** How many entries are compared before all are. */
const SAMPLES = 16;

/**
 * Modules whose weight is this matrix, or a block of its outputs, number by number. Linear layers lie out × in in a checkpoint,
 * GPT-2's Conv1D in × out; both are tried.
 */
export function matchReference(
  weight: WeightToMatch,
  reference: ReferenceWeights,
  folder?: string,
): WeightMatch[] {
  if (!isFloating(weight.tensor.type)) return [];
  let numbers: Float32Array | Float64Array | undefined;
  const at = (input: number, output: number): number => {
    numbers ??= tensorFloats(weight.tensor, folder);
    const index = weight.layout === 'in_out' ? input * weight.out + output : output * weight.in + input;
    return numbers[index] ?? NaN;
  };
  const matches: WeightMatch[] = [];
  for (const tensor of reference.names) {
    const shape = reference.shape(tensor);
    if (!tensor.endsWith(WEIGHT) || shape.length !== 2) continue;
    const [rows = 0, columns = 0] = shape;
    const forms = [
      { in: columns, out: rows, outFirst: true },
      { in: rows, out: columns, outFirst: false },
    ].filter((form) => form.in === weight.in && form.out <= weight.out);
    if (forms.length === 0) continue;
    const samples = samplesOf(reference, tensor);
    let values: Float32Array | undefined;
    for (const form of forms) {
      const equalAt = (index: number, value: number, first: number): boolean => {
        const [major, minor] = [Math.floor(index / columns), index % columns];
        return (form.outFirst ? at(minor, first + major) : at(major, first + minor)) === value;
      };
      const first = firstOutput(weight.out - form.out, (from) => {
        if (!samples.every(([index, value]) => equalAt(index, value, from))) return false;
        values ??= reference.read(tensor);
        return values.every((value, index) => equalAt(index, value, from));
      });
      if (first === undefined) continue;
      matches.push({ name: tensor.slice(0, -WEIGHT.length), out: form.out, first });
      break;
    }
  }
  // A tied embedding has the same numbers under two names; the whole matrix is one module.
  const whole = matches.find(({ out }) => out === weight.out);
  return whole === undefined ? matches.sort((a, b) => a.first - b.first) : [whole];
}

function firstOutput(last: number, equal: (first: number) => boolean): number | undefined {
  for (let first = 0; first <= last; first++) if (equal(first)) return first;
  return undefined;
}

type Samples = readonly (readonly [index: number, value: number])[];

const sampled = new WeakMap<ReferenceWeights, Map<string, Samples>>();

/** A few entries of a tensor, kept: a model has many matrices of one shape, and each would be read for each. */
function samplesOf(reference: ReferenceWeights, name: string): Samples {
  let known = sampled.get(reference);
  if (known === undefined) sampled.set(reference, (known = new Map<string, Samples>()));
  let samples = known.get(name);
  if (samples === undefined) {
    const values = reference.read(name);
    const stride = Math.max(1, Math.floor(values.length / SAMPLES) - 1);
    samples = Array.from({ length: SAMPLES }, (_, k) => Math.min(k * stride, values.length - 1)).map(
      (index) => [index, values[index] ?? NaN] as const,
    );
    known.set(name, samples);
  }
  return samples;
}
