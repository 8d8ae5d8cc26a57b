import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { clientConfigSchema, type ClientConfigInput } from '../../../src/client/config.js';
import { loadDataSet, splitExamples } from '../../../src/client/data/data-set.js';
import { classIndices, labelsOf } from '../../../src/client/data/labels.js';
import type { Example } from '../../../src/client/data/example.js';

const folder = mkdtempSync(join(tmpdir(), 'fedrot-data-'));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

function examples(count: number): Example[] {
  return Array.from({ length: count }, (_, index) => ({
    text: `text ${index}`,
    label: index % 3 === 0 ? 'x' : 'y',
    line: index + 1,
  }));
}

function write(name: string, count: number): string {
  const path = join(folder, name);
  writeFileSync(
    path,
    examples(count)
      .map((example) => JSON.stringify(example))
      .join('\n'),
  );
  return path;
}

const config = (input: Omit<ClientConfigInput, 'name'>) => clientConfigSchema.parse({ name: 'a', ...input });

describe('splitExamples', () => {
  it('divides, keeps the order and repeats itself', () => {
    const [kept, held] = splitExamples(examples(100), 0.2, 'silo-a');
    expect([kept.length, held.length]).toEqual([80, 20]);
    expect([...kept, ...held].sort((a, b) => a.line - b.line)).toEqual(examples(100));
    expect(kept.map(({ line }) => line)).toEqual(kept.map(({ line }) => line).sort((a, b) => a - b));
    expect(splitExamples(examples(100), 0.2, 'silo-a')).toEqual([kept, held]);
    expect(splitExamples(examples(100), 0.2, 'silo-b')).not.toEqual([kept, held]);
  });
});

describe('loadDataSet', () => {
  it('gives a trainer its examples and keeps some for validation', async () => {
    const set = await loadDataSet(config({ data: { train: write('t.jsonl', 50), validationFraction: 0.1 } }));
    expect([set.train?.examples.length, set.test?.examples.length]).toEqual([45, 5]);
  });

  it('prefers a test file, and then trains on everything', async () => {
    const data = { train: write('t.jsonl', 50), test: write('v.jsonl', 7), validationFraction: 0.1 };
    const set = await loadDataSet(config({ data }));
    expect([set.train?.examples.length, set.test?.examples.length]).toEqual([50, 7]);
  });

  it('gives an evaluator the test file only', async () => {
    const set = await loadDataSet(config({ role: 'evaluator', data: { test: write('v.jsonl', 7) } }));
    expect(set.train).toBeUndefined();
    expect(set.test?.examples.length).toBe(7);
  });
});

describe('the configuration', () => {
  it('asks for the file that the role needs', () => {
    const missing = clientConfigSchema.safeParse({ name: 'a', role: 'evaluator', data: { train: 'x.csv' } });
    expect(missing.error?.issues[0]?.path).toEqual(['data', 'test']);
    expect(clientConfigSchema.safeParse({ name: 'a' }).error?.issues[0]?.path).toEqual(['data', 'train']);
  });

  it.each([
    [{ data: { train: 'x', colums: {} } }, 'unrecognized_keys'],
    [{ data: { train: 'x' }, thread: 3 }, 'unrecognized_keys'],
    [{ data: { train: 'x' }, coordinator: 'http://host:1' }, 'invalid_format'],
    [{ data: { train: 'x' }, name: 'A b' }, 'invalid_format'],
    [{ data: { train: 'x', validationFraction: 0.9 } }, 'too_big'],
  ])('refuses %j', (input, code) => {
    expect(clientConfigSchema.safeParse({ name: 'a', ...input }).error?.issues[0]?.code).toBe(code);
  });
});

describe('labels', () => {
  it('become class indices in the order of the run', () => {
    expect([...classIndices(examples(4), ['y', 'x'], 'f.csv')]).toEqual([1, 0, 0, 1]);
    expect(labelsOf(examples(4))).toEqual(['x', 'y']);
  });

  it('that the run does not know are refused, with the first line and the known ones', () => {
    expect(() => classIndices(examples(4), ['x', 'z'], 'f.csv')).toThrow(
      expect.objectContaining({
        code: 'data_unknown_label',
        message:
          'f.csv:2: the run does not know the label "y" (2 of 4 examples have unknown labels); it knows "x", "z"',
        details: { unknown: 2, examples: 4 },
      }) as Error,
    );
  });
});
