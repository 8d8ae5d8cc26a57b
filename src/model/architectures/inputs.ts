import { int } from '../../train/ir/attributes.js';
import type { ModelBuilder } from '../model-builder.js';

/** The inputs of a text encoder, int64, batch × sequence; both sizes are free. */
export type InputName = 'input_ids' | 'attention_mask' | 'token_type_ids';

const DIMS = ['batch', 'sequence'] as const;

export function declareInputs(m: ModelBuilder, names: readonly InputName[]): void {
  for (const name of names) m.graph.input(name, 'int64', DIMS);
}

/** Rows 0 … sequence − 1 of a table of positions: sequence × size. */
export function positions(m: ModelBuilder, name: string, [rows, size]: readonly [number, number]): string {
  const length = m.graph.op('Shape', ['input_ids'], { start: int(1), end: int(2) });
  return m.graph.op('Slice', [
    m.weight(`${name}.weight`, [rows, size]),
    m.vector([0]),
    length,
    m.vector([0]),
  ]);
}

/** Makes a value the output `logits`, batch × labels. */
export function outputLogits(m: ModelBuilder, value: string, labels: number): void {
  m.graph.output(m.graph.op('Identity', [value], {}, 'logits'), 'float', ['batch', labels]);
}

/** Makes a value the output `logits`, batch × sequence × outputs. */
export function outputTokenLogits(m: ModelBuilder, value: string, outputs: number): void {
  m.graph.output(m.graph.op('Identity', [value], {}, 'logits'), 'float', [...DIMS, outputs]);
}
