import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { clientConfigSchema } from '../../../src/client/config.js';
import { loadDataSet } from '../../../src/client/data/data-set.js';
import { LocalTrainer } from '../../../src/client/training/local-trainer.js';
import { openBundle } from '../../../src/model/bundle.js';
import type { CreateBundleOptions } from '../../../src/model/create-bundle.js';
import { initialAdapter } from '../../../src/model/initial-adapter.js';
import { loadAdapter } from '../../../src/model/load-adapter.js';
import { writePeftAdapter } from '../../../src/model/peft.js';
import { Random } from '../../../src/random.js';
import { parseRunSpec } from '../../../src/run-spec.js';
import { encodeTensorFile } from '../../../src/tensor/encode-file.js';
import { openSession } from '../../../src/train/session.js';
import type { Batch } from '../../../src/train/session-types.js';
import { TINY_TOKENIZER, tinyBundle, tinyCheckpoint } from '../../model/tiny-bundle.js';
import { repoPath } from '../../support/repo.js';

let home: string | undefined;
afterEach(async () => {
  if (home !== undefined) await rm(home, { recursive: true });
  home = undefined;
});

const random = Random.of('task paths');
const pick = (words: readonly string[]): string => words[random.integer(words.length)] ?? '';
const some = (words: readonly string[], most = 6): string =>
  Array.from({ length: 1 + random.integer(most) }, () => pick(words)).join(' ');

const SPAM = ['free', 'offer', 'cheap', 'win', 'money'];
const HAM = ['meeting', 'tomorrow', 'mail', 'list', 'we'];
const ALL = [...SPAM, ...HAM];

interface TaskCase {
  readonly checkpoint: 'bert' | 'llama';
  readonly create: Partial<CreateBundleOptions>;
  readonly columns: Record<string, unknown>;
  readonly row: (index: number) => Record<string, unknown>;
  readonly task: Record<string, unknown>;
  readonly modulesToSave: string[];
  /** What must have become better, and to what. */
  readonly better: readonly [string, (before: number, after: number) => boolean];
  /** Labels of a batch of rows, looked at as training sees them. */
  readonly labels?: (labels: Batch['labels'], rows: readonly Record<string, unknown>[]) => void;
}

const CASES: Record<string, TaskCase> = {
  'classification of one text': {
    checkpoint: 'bert',
    create: { labels: ['ham', 'spam'], head: 'new' },
    columns: {},
    row: (index) => (index % 2 ? { text: some(SPAM), label: 'spam' } : { text: some(HAM), label: 'ham' }),
    task: { kind: 'text-classification', labels: ['ham', 'spam'] },
    modulesToSave: ['classifier'],
    better: ['accuracy', (_, after) => after > 0.9],
  },
  'classification of pairs': {
    checkpoint: 'bert',
    create: { labels: ['same', 'other'], head: 'new' },
    columns: { text: 'premise', textPair: 'hypothesis', label: 'relation' },
    // The second text alone tells: without it there would be nothing better than chance.
    row: (index) =>
      index % 2
        ? { premise: some(ALL, 3), hypothesis: some(SPAM, 3), relation: 'same' }
        : { premise: some(ALL, 3), hypothesis: some(HAM, 3), relation: 'other' },
    task: { kind: 'text-classification', labels: ['same', 'other'] },
    modulesToSave: ['classifier'],
    better: ['accuracy', (_, after) => after > 0.9],
  },
  regression: {
    checkpoint: 'bert',
    create: { task: 'text-regression', head: 'new' },
    columns: { label: 'score' },
    row: (index) => (index % 2 ? { text: some(SPAM), score: 2.5 } : { text: some(HAM), score: '-1.5' }),
    task: { kind: 'text-regression' },
    modulesToSave: ['classifier'],
    better: ['mse', (before, after) => after < 0.2 * before],
  },
  'token classification': {
    checkpoint: 'bert',
    create: { task: 'token-classification', labels: ['O', 'B-AD'], head: 'new' },
    columns: { words: 'tokens', tags: 'ner' },
    row: () => {
      const words = some(ALL).split(' ');
      return { tokens: words, ner: words.map((word) => (SPAM.includes(word) ? 'B-AD' : 'O')) };
    },
    task: { kind: 'token-classification', labels: ['O', 'B-AD'] },
    modulesToSave: ['classifier'],
    better: ['accuracy', (_, after) => after > 0.95],
    labels: ({ data }, rows) => {
      const counted = [...data].filter((label) => label !== -100n).length;
      expect(counted).toBe(rows.reduce((sum, { tokens }) => sum + (tokens as string[]).length, 0));
    },
  },
  'a language model on plain text': {
    checkpoint: 'llama',
    create: {},
    columns: { label: null },
    row: () => ({ text: Array.from({ length: 4 }, () => 'free offer now !').join(' ') }),
    task: { kind: 'causal-lm', longTexts: 'split' },
    modulesToSave: [],
    better: ['perplexity', (before, after) => after < 0.6 * before],
  },
  'a language model on prompts and completions': {
    checkpoint: 'llama',
    create: {},
    columns: { prompt: 'question', completion: 'answer' },
    row: (index) =>
      index % 2
        ? { question: some(SPAM), answer: 'free offer' }
        : { question: some(HAM), answer: 'the mail' },
    task: { kind: 'causal-lm', prompt: 'mask' },
    modulesToSave: [],
    better: ['perplexity', (before, after) => after < 0.5 * before],
    labels: ({ data }, rows) => {
      // Two words of the answer and the token that ends a text; nothing of the question.
      expect([...data].filter((label) => label !== -100n)).toHaveLength(3 * rows.length);
    },
  },
};

async function checkpointOf(name: 'bert' | 'llama'): Promise<string> {
  if (name === 'bert') return tinyCheckpoint('bert');
  const folder = await mkdtemp(join(tmpdir(), 'fedrot-tasks-'));
  await cp(repoPath('test/data/golden/llama/checkpoint'), join(folder, 'checkpoint'), { recursive: true });
  await writeFile(join(folder, 'checkpoint/tokenizer.json'), JSON.stringify(TINY_TOKENIZER));
  return folder;
}

describe('from a JSONL file to a trained adapter, as a silo does it', () => {
  it.each(Object.entries(CASES))('%s', async (_, { checkpoint, create, columns, row, task, ...rest }) => {
    home = await checkpointOf(checkpoint);
    const created = await tinyBundle(home, 'bundle', create);
    const bundle = await openBundle(created.folder, { verify: true });
    const rows = Array.from({ length: 40 }, (_row, index) => row(index));
    const file = join(home, 'data.jsonl');
    await writeFile(file, rows.map((each) => `${JSON.stringify(each)}\n`).join(''));
    const config = clientConfigSchema.parse({ name: 'silo', data: { train: file, columns } });
    const { train } = await loadDataSet(config);
    const spec = parseRunSpec({
      name: 'task',
      bundle: bundle.sha256,
      task: { ...task, maxTokens: 20 },
      lora: {
        rank: 4,
        alpha: 8,
        targetModules: ['all-linear'],
        modulesToSave: rest.modulesToSave,
        dropout: 0.05,
      },
      training: { batchSize: 8, localSteps: 80, optimizer: { kind: 'adamw', learningRate: 0.005 } },
    });
    const batches: Batch[] = [];
    const trainer = new LocalTrainer({
      threads: 1,
      open: async (options) => {
        const session = await openSession(options);
        return {
          ...session,
          step: (given, stepOptions) => {
            batches.push(...given);
            return session.step(given, stepOptions);
          },
        };
      },
    });
    try {
      const input = { bundle, spec, data: train!, adapter: initialAdapter(bundle, spec.lora, 1) };
      const before = await trainer.evaluate(input);
      const result = await trainer.train({
        ...input,
        instructions: { train: 'both' },
        round: 1,
        seed: [1],
      });
      const folder = join(home, 'adapter');
      await writePeftAdapter({
        folder,
        adapter: encodeTensorFile(result.tensors).bytes,
        settings: spec.lora,
        task: spec.task.kind,
      });
      const { tensors } = await loadAdapter(folder);
      const after = await trainer.evaluate({ ...input, adapter: tensors });
      const [metric, isBetter] = rest.better;
      const value = (scores: typeof after): number =>
        metric === 'accuracy' ? scores.accuracy : (scores.metrics[metric] ?? NaN);
      expect(isBetter(value(before), value(after)), `${metric}: ${value(before)} → ${value(after)}`).toBe(
        true,
      );
      expect(after.loss).toBeLessThan(before.loss);
      // Every row of the file is an example, whatever rows of tokens it makes.
      expect(result.examples).toBe(40);
      const epoch = batches.slice(0, 5);
      rest.labels?.(
        {
          dims: [],
          data: BigInt64Array.from(epoch.flatMap(({ labels }) => [...(labels.data as BigInt64Array)])),
        },
        rows,
      );
    } finally {
      await trainer.close();
    }
  });
});
