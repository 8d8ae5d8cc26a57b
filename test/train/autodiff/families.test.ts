import { readFileSync, readdirSync } from 'node:fs';
import { expect, it } from 'vitest';
import { repoPath } from '../../support/repo.js';

/** Families without finite differences, and what judges them. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  // Weights of 4 and 8 bits do not come in float64: training is compared with that of the dequantized model.
  quantizedRules: 'test/train/quantize/quantize.test.ts',
};

const sources = (folder: string, ending: string): string[] =>
  readdirSync(repoPath(folder))
    .filter((name) => name.endsWith(ending))
    .map((name) => readFileSync(repoPath(folder, name), 'utf8'));

const FAMILIES = sources('src/train/autodiff/rules', '.ts')
  .flatMap((text) => [...text.matchAll(/^export const (\w+): readonly OpRule\[\]/gm)])
  .map(([, name = '']) => name);

const COVERED = sources('test/train/autodiff', '.test.ts')
  .flatMap((text) => [...text.matchAll(/^coversRules\(\[([^\]]*)\]/gm)])
  .flatMap(([, list = '']) => [...list.matchAll(/\.\.\.(\w+)/g)])
  .map(([, name = '']) => name);

it('the table of gradients is made of these families', () => {
  const table = readFileSync(repoPath('src/train/autodiff/table.ts'), 'utf8');
  const used = [...table.matchAll(/^ {2}\.\.\.(\w+),$/gm)].map(([, name = '']) => name);
  expect(used.sort()).toEqual([...FAMILIES].sort());
});

it.each(FAMILIES)('%s has a file of cases that must cover all of it', (family) => {
  const elsewhere = ELSEWHERE[family];
  if (elsewhere === undefined) expect(COVERED).toContain(family);
  else {
    expect(COVERED).not.toContain(family);
    expect(readFileSync(repoPath(elsewhere), 'utf8')).toContain('MatMulNBits');
  }
});
