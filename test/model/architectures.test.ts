import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { architectureOf, KNOWN_MODEL_TYPES } from '../../src/model/architectures.js';
import { openCheckpoint, type Checkpoint } from '../../src/model/checkpoint.js';
import { importCheckpoint } from '../../src/model/import-checkpoint.js';
import { ModelBuilder } from '../../src/model/model-builder.js';
import { inlineSink } from '../../src/model/weight-sink.js';
import { WeightSource } from '../../src/model/weight-source.js';
import { codeOf } from '../support/code-of.js';
import { repoPath } from '../support/repo.js';
import { forward, relativeError } from './forward.js';

/** Tiny random checkpoints with logits from numpy in float64: test/model/oracle/encoders.py made them. */
const folderOf = (name: string): string => repoPath('test/data/checkpoints', name);

interface Expected {
  batch: Record<string, number[][]>;
  logits: number[][];
  /** With the same head on the mean of the tokens. */
  meanLogits: number[][];
}
const expectedOf = (name: string): Expected =>
  JSON.parse(readFileSync(`${folderOf(name)}/expected.json`, 'utf8')) as Expected;

/** A checkpoint with another config or other tensors. */
const withConfig = (checkpoint: Checkpoint, changes: Record<string, unknown>): Checkpoint => ({
  ...checkpoint,
  config: { ...checkpoint.config, ...changes },
});
function without(checkpoint: Checkpoint, pattern: RegExp): Checkpoint {
  const names = checkpoint.names.filter((name) => !pattern.test(name));
  return {
    ...checkpoint,
    names,
    shape: (name) => (names.includes(name) ? checkpoint.shape(name) : undefined),
  };
}
/** As the base model alone saves it. */
function withoutPrefix(checkpoint: Checkpoint, prefix: string): Checkpoint {
  const original = (name: string): string =>
    checkpoint.names.includes(prefix + name) ? prefix + name : name;
  const names = checkpoint.names.map((name) => (name.startsWith(prefix) ? name.slice(prefix.length) : name));
  return {
    ...checkpoint,
    names,
    shape: (name) => (names.includes(name) ? checkpoint.shape(original(name)) : undefined),
    read: (name) => checkpoint.read(original(name)),
  };
}

describe.each(['bert', 'roberta', 'distilbert', 'electra'])('%s', (name) => {
  const { batch, logits, meanLogits } = expectedOf(name);

  it('gives the logits of the float64 reference, padded rows included', async () => {
    const checkpoint = await openCheckpoint(folderOf(name));
    const imported = importCheckpoint(checkpoint, inlineSink, { seed: 0 });
    const actual = await forward(imported.model, batch);
    expect(actual.dims).toEqual([3, 3]);
    expect(relativeError(actual.data, logits.flat())).toBeLessThan(2e-6);
    expect(imported).toMatchObject({
      modelType: name,
      task: { kind: 'text-classification', labels: ['ham', 'spam', 'neither'] },
      madeModules: [],
      unusedTensors: [],
      vocabulary: 40,
    });
    // RoBERTa's table of positions begins behind the padding id.
    expect(imported.maxTokens).toBe(20);
    checkpoint.close();
  });

  it('gives the logits of the reference where the head reads the mean of the tokens', async () => {
    const checkpoint = await openCheckpoint(folderOf(name));
    const source = { basePrefix: `${name}.`, initializerRange: 0.02, seed: 0, newModules: [] };
    const builder = new ModelBuilder(new WeightSource(checkpoint, source), inlineSink);
    architectureOf(name).heads.sequence!.build(builder, checkpoint.config, 3, 'mean');
    const actual = await forward(builder.build(), batch);
    expect(actual.dims).toEqual([3, 3]);
    expect(relativeError(actual.data, meanLogits.flat())).toBeLessThan(2e-6);
    // The third row has one token: its mean is its first.
    if (name !== 'bert') expect(relativeError(actual.data.slice(6), logits[2]!)).toBeLessThan(2e-6);
    checkpoint.close();
  });

  it('makes a new head on the mean, and refuses the checkpoint’s own', async () => {
    const checkpoint = await openCheckpoint(folderOf(name));
    const labels = ['a', 'b'];
    const mean = importCheckpoint(checkpoint, inlineSink, { seed: 0, head: 'new', labels, pooling: 'mean' });
    const first = importCheckpoint(checkpoint, inlineSink, { seed: 0, head: 'new', labels, pooling: 'cls' });
    expect([mean.pooling, first.pooling]).toEqual(['mean', undefined]);
    expect(mean.unusedTensors.filter((tensor) => !tensor.includes('classifier'))).toEqual(
      name === 'bert' ? ['bert.pooler.dense.bias', 'bert.pooler.dense.weight'] : [],
    );
    expect((await forward(mean.model, batch)).data).not.toEqual((await forward(first.model, batch)).data);
    expect(codeOf(() => importCheckpoint(checkpoint, inlineSink, { seed: 0, pooling: 'mean' }))).toBe(
      'option_invalid',
    );
    expect(
      codeOf(() =>
        importCheckpoint(checkpoint, inlineSink, {
          seed: 0,
          head: 'new',
          labels,
          task: 'token-classification',
          pooling: 'mean',
        }),
      ),
    ).toBe('option_invalid');
    checkpoint.close();
  });

  it('gives the same logits for a row alone, without its padding', async () => {
    const checkpoint = await openCheckpoint(folderOf(name));
    const { model } = importCheckpoint(checkpoint, inlineSink, { seed: 0 });
    const length = batch.attention_mask![1]!.filter((bit) => bit === 1).length;
    const row = Object.fromEntries(
      Object.entries(batch).map(([input, rows]) => [input, [rows[1]!.slice(0, length)]]),
    );
    expect(relativeError((await forward(model, row)).data, logits[1]!)).toBeLessThan(2e-6);
    checkpoint.close();
  });

  it('names every linear module and where it lies', async () => {
    const checkpoint = await openCheckpoint(folderOf(name));
    const { model, adaptable, dense } = importCheckpoint(checkpoint, inlineSink, { seed: 0 });
    const linear = checkpoint.names
      .filter((tensor) => tensor.endsWith('.weight') && !/norm|embeddings\./i.test(tensor))
      .map((tensor) => tensor.replace('.weight', ''));
    expect(adaptable.map((module) => module.name).sort()).toEqual(linear);
    expect(dense.map((module) => module.name).sort()).toEqual(linear);
    for (const module of adaptable) {
      const [out, inner] = checkpoint.shape(`${module.name}.weight`)!;
      expect([module.out, module.in]).toEqual([out, inner]);
      expect(model.graph.initializers.get(module.weight.initializer)!.dims).toEqual([inner, out]);
    }
    checkpoint.close();
  });

  it('reads a checkpoint of the base model alone, and makes the head, always the same', async () => {
    const whole = await openCheckpoint(folderOf(name));
    const bare = without(withoutPrefix(whole, `${name}.`), /classifier/);
    const labels = ['a', 'b'];
    const first = importCheckpoint(bare, inlineSink, { seed: 5, labels });
    const again = importCheckpoint(bare, inlineSink, { seed: 5, labels });
    const other = importCheckpoint(bare, inlineSink, { seed: 6, labels });
    expect(first.madeModules.length).toBeGreaterThan(0);
    expect(first.madeModules.every((module) => module.includes('classifier'))).toBe(true);
    const logitsOf = async (model: typeof first.model): Promise<number[]> => [
      ...(await forward(model, batch)).data,
    ];
    expect(await logitsOf(again.model)).toEqual(await logitsOf(first.model));
    expect(await logitsOf(other.model)).not.toEqual(await logitsOf(first.model));
    whole.close();
  });
});

describe('importCheckpoint', () => {
  it('draws a new head from N(0, initializer_range²), bias 0', async () => {
    const whole = await openCheckpoint(folderOf('bert'));
    const { model } = importCheckpoint(whole, inlineSink, {
      seed: 1,
      head: 'new',
      labels: Array.from({ length: 2000 }, (_, i) => `label ${i}`),
    });
    const numbers = (name: string): Float32Array => {
      const { data } = model.graph.initializers.get(name)!;
      if (data.kind !== 'inline') throw new TypeError('inline expected');
      return new Float32Array(new Uint8Array(data.bytes).buffer);
    };
    const weight = numbers('classifier.weight');
    const mean = weight.reduce((sum, x) => sum + x, 0) / weight.length;
    const deviation = Math.sqrt(weight.reduce((sum, x) => sum + (x - mean) ** 2, 0) / weight.length);
    expect(Math.abs(mean)).toBeLessThan(5e-4); // 32,000 draws: 4.5 standard errors
    expect(deviation).toBeCloseTo(0.02, 3);
    expect(numbers('classifier.bias').every((x) => x === 0)).toBe(true);
    whole.close();
  });

  it.each([
    [{ model_type: 'mamba' }, 'model_unsupported', /mamba.*bert.*roberta/],
    [{ hidden_act: 'maxout' }, 'model_unsupported', /activation maxout is not known; known are gelu/],
    [{ hidden_size: 32 }, 'file_invalid', /shape \[40, 16\], but config.json implies \[40, 32\]/],
    [{ num_attention_heads: 3 }, 'file_invalid', /16 is not a multiple of .* 3/],
    [{ num_hidden_layers: 3 }, 'file_invalid', /no tensor bert\.encoder\.layer\.2\.attention/],
    [{ position_embedding_type: 'relative_key' }, 'file_invalid', /only absolute positions/],
    [{ hidden_size: 'wide' }, 'file_invalid', /config\.json: hidden_size/],
  ])('refuses a config of %j', async (changes, code, message) => {
    const checkpoint = withConfig(await openCheckpoint(folderOf('bert')), changes);
    const build = (): unknown => importCheckpoint(checkpoint, inlineSink, { seed: 0 });
    expect(build).toThrow(expect.objectContaining({ code }));
    expect(build).toThrow(message);
    checkpoint.close();
  });

  it.each([
    [['a', 'b'], /2 given, but the checkpoint's head has 3 classes \(ham, spam, neither\)/],
    [['spam', 'ham', 'neither'], /in another order: ham, spam, neither/],
    [['a', 'a', 'b'], /a comes twice/],
    [['a', '', 'b'], /a label is empty/],
  ])('refuses labels %j', async (labels, message) => {
    const checkpoint = await openCheckpoint(folderOf('bert'));
    expect(() => importCheckpoint(checkpoint, inlineSink, { seed: 0, labels })).toThrow(message);
    checkpoint.close();
  });

  it('asks for labels where the checkpoint has no head', async () => {
    const checkpoint = await openCheckpoint(folderOf('bert'));
    const bare = without(checkpoint, /classifier/);
    expect(() => importCheckpoint(bare, inlineSink, { seed: 0 })).toThrow(/say which labels there are/);
    expect(() => importCheckpoint(bare, inlineSink, { seed: 0, labels: ['one'] })).toThrow(/at least 2/);
    checkpoint.close();
  });

  it('reads norms that are called gamma and beta', async () => {
    const checkpoint = await openCheckpoint(folderOf('bert'));
    const old = (name: string): string =>
      name.replace(/LayerNorm\.gamma$/, 'LayerNorm.weight').replace(/LayerNorm\.beta$/, 'LayerNorm.bias');
    const renamed: Checkpoint = {
      ...checkpoint,
      names: checkpoint.names.map((name) =>
        name.replace(/LayerNorm\.weight$/, 'LayerNorm.gamma').replace(/LayerNorm\.bias$/, 'LayerNorm.beta'),
      ),
      shape: (name) => (/LayerNorm\.(weight|bias)$/.test(name) ? undefined : checkpoint.shape(old(name))),
      read: (name) => checkpoint.read(old(name)),
    };
    const { model } = importCheckpoint(renamed, inlineSink, { seed: 0 });
    const { batch, logits } = expectedOf('bert');
    expect(relativeError((await forward(model, batch)).data, logits.flat())).toBeLessThan(2e-6);
    checkpoint.close();
  });
});

describe('the table of architectures', () => {
  it('finds every type that it names', () => {
    for (const type of KNOWN_MODEL_TYPES) expect(architectureOf(type).modelTypes).toContain(type);
  });
});
