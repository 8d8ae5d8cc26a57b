import { describe, expect, it } from 'vitest';
import { findRule } from '../../../src/train/autodiff/table.js';
import type { OpRule } from '../../../src/train/autodiff/rule.js';
import type { Attribute, Model, Node } from '../../../src/train/ir/graph.js';
import { tensorNumbers } from '../../../src/train/ir/tensor-value.js';
import type { ValueTypes } from '../../../src/train/shapes/extent.js';

/**
 * What the cases of a test file have tried of each rule, so that a rule, a version or a kind of shape without a case is an error.
 * finite-differences.ts tells it of every model that it checks.
 */
const seen = new Map<string, Set<string>>();

/** Operators whose operands are broadcast against each other. */
const BROADCASTS: ReadonlySet<string> = new Set([
  ...['Add', 'Sub', 'Mul', 'Div', 'Pow', 'Sum', 'Mean', 'Min', 'Max', 'Where', 'MatMul', 'Gemm', 'Expand'],
  ...['FusedMatMul', 'FusedGemm', 'LayerNormalization', 'RMSNormalization', 'SimplifiedLayerNormalization'],
]);

/** Operators with axes that may be counted from the end: an attribute, or the input of that number. */
const AXES: Readonly<Record<string, number | undefined>> = {
  ...{
    Softmax: undefined,
    LogSoftmax: undefined,
    LayerNormalization: undefined,
    RMSNormalization: undefined,
  },
  ...{
    SimplifiedLayerNormalization: undefined,
    Gather: undefined,
    GatherElements: undefined,
    TopK: undefined,
  },
  ...{ Concat: undefined, Split: undefined, Flatten: undefined },
  ...{ ReduceSum: 1, ReduceMean: 1, ReduceMax: 1, ReduceMin: 1, ReduceL2: 1, ReduceSumSquare: 1 },
  ...{ ReduceLogSumExp: 1, CumSum: 1, Squeeze: 1, Unsqueeze: 1, Slice: 3, Pad: 3 },
};

const keyOf = ({ op, domain = '' }: Pick<OpRule, 'op' | 'domain'>): string =>
  domain === '' ? op : `${domain}::${op}`;

function note(key: string, fact: string): void {
  const facts = seen.get(key) ?? new Set<string>();
  facts.add(fact);
  seen.set(key, facts);
}

/** A model whose gradients were compared; `dynamic` where its dimensions were known at run time only. */
export function recordCase(model: Model, types: ValueTypes, dynamic: boolean): void {
  for (const node of model.graph.nodes) {
    const found = (() => {
      try {
        return findRule(node, model.opsets);
      } catch {
        return undefined; // Shape and the like
      }
    })();
    if (found === undefined) continue;
    const key = keyOf(node);
    note(key, `version ${found.version}`);
    note(key, dynamic ? 'run-time dimensions' : 'fixed dimensions');
    if (hasNegativeAxis(model, node)) note(key, 'negative axes');
    if (dynamic) continue;
    const inputs = node.inputs.filter((name) => name !== '').map((name) => types.dims(name));
    const outputs = node.outputs.filter((name) => name !== '').map((name) => types.dims(name));
    note(key, `shape ${inputs.join(' and ')}`);
    if (inputs.flat().includes(0)) note(key, 'empty dimensions');
    if (inputs.flat().includes(1)) note(key, 'dimensions of size 1');
    const size = (dims: readonly (number | string)[]): number =>
      dims.reduce((product: number, dim) => product * Number(dim), 1);
    const largest = Math.max(...outputs.map(size));
    if (
      inputs.length > 1 &&
      inputs.some((dims) => dims.length < (outputs[0]?.length ?? 0) || size(dims) < largest)
    )
      note(key, 'broadcasting');
  }
}

function hasNegativeAxis(model: Model, node: Node): boolean {
  const negative = (attribute: Attribute | undefined): boolean =>
    attribute?.kind === 'int'
      ? attribute.value < 0
      : attribute?.kind === 'ints' && attribute.value.some((axis) => axis < 0);
  if (negative(node.attributes.axis) || negative(node.attributes.axes)) return true;
  const input = AXES[node.op];
  const stored = input === undefined ? undefined : model.graph.initializers.get(node.inputs[input] ?? '');
  return stored?.data.kind === 'inline' && tensorNumbers(stored).some((axis) => axis < 0);
}

/** Opset 11 is the oldest that gradients are emitted for: what was replaced before is never met. */
function reachable(versions: readonly number[], all: readonly number[]): number[] {
  return versions.filter((version) => {
    const next = Math.min(...all.filter((other) => other > version));
    return next > 11;
  });
}

function needs({ op, versions, domain }: OpRule, all: readonly number[]): string[] {
  return [
    ...(domain === undefined ? reachable(versions, all) : versions).map((version) => `version ${version}`),
    ...['fixed dimensions', 'run-time dimensions', 'empty dimensions', 'dimensions of size 1'],
    ...(BROADCASTS.has(op) ? ['broadcasting'] : []),
    ...(op in AXES ? ['negative axes'] : []),
  ];
}

/** By operator: what cannot be tried, and why. */
export type Exceptions = Readonly<Record<string, Readonly<Record<string, string>>>>;

/**
 * The last tests of a file: its cases above have tried everything that these rules claim. Exceptions that are no longer needed are errors,
 * too.
 */
export function coversRules(rules: readonly OpRule[], exceptions: Exceptions = {}): void {
  describe('together', () => {
    it.each(rules.map((rule) => [keyOf(rule), rule] as const))('the cases try all of %s', (key, rule) => {
      const facts = seen.get(key) ?? new Set();
      const all = rules.filter((other) => keyOf(other) === key).flatMap(({ versions }) => versions);
      const missing = needs(rule, all).filter((need) => !facts.has(need));
      expect(missing.sort()).toEqual(Object.keys(exceptions[key] ?? {}).sort());
      const shapes = [...facts].filter((fact) => fact.startsWith('shape '));
      expect(shapes.length, 'several shapes').toBeGreaterThan(1);
    });
  });
}
