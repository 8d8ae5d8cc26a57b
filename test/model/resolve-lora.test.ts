import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CreatedBundle } from '../../src/model/create-bundle.js';
import { resolveLora, type LoraTargets } from '../../src/model/resolve-lora.js';
import { tinyBundle, tinyCheckpoint } from './tiny-bundle.js';

const spec = (targetModules: string[], modulesToSave = ['classifier']): LoraTargets => ({
  rank: 4,
  alpha: 8,
  rsLora: false,
  targetModules,
  modulesToSave,
});

const bundles = new Map<string, CreatedBundle>();
const folders: string[] = [];
beforeAll(async () => {
  for (const name of ['bert', 'roberta', 'distilbert']) {
    const folder = await tinyCheckpoint(name);
    folders.push(folder);
    bundles.set(name, await tinyBundle(folder));
  }
});
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true }))));

function names(architecture: string, targets: LoraTargets): { lora: string[]; dense: string[] } {
  const { lora, dense } = resolveLora(bundles.get(architecture)!, targets);
  return { lora: lora.map(({ module }) => module.name), dense: dense.map(({ name }) => name) };
}

describe('resolveLora', () => {
  // What PEFT 0.21 adapts and saves for the same settings: the tensor names in the golden adapters.
  it('takes the same modules as PEFT: bert', () => {
    expect(names('bert', spec(['query', 'value'], ['classifier']))).toEqual({
      lora: [0, 1].flatMap((i) =>
        ['query', 'value'].map((m) => `bert.encoder.layer.${i}.attention.self.${m}`),
      ),
      dense: ['classifier'],
    });
  });

  it('takes the same modules as PEFT: the whole head of roberta', () => {
    expect(names('roberta', spec(['query'])).dense).toEqual(['classifier.dense', 'classifier.out_proj']);
  });

  it('takes the same modules as PEFT: pre_classifier ends in classifier', () => {
    expect(names('distilbert', spec(['q_lin', 'v_lin'])).dense).toEqual(['pre_classifier', 'classifier']);
  });

  it('matches a whole name, or an end after a dot only', () => {
    const one = 'bert.encoder.layer.1.attention.self.query';
    expect(names('bert', spec([one])).lora).toEqual([one]);
    expect(names('bert', spec(['1.attention.self.query'])).lora).toEqual([one]);
    expect(() => names('bert', spec(['uery']))).toThrow(/no module uery/);
  });

  it('leaves what is trained in full without factors', () => {
    const { lora, dense } = names('roberta', spec(['dense']));
    expect(dense).toContain('classifier.dense');
    expect(lora).not.toContain('classifier.dense');
    expect(lora).toHaveLength(6);
  });

  it('all-linear means every linear module but the head', () => {
    const { lora } = names('bert', spec(['all-linear'], []));
    expect(lora).toHaveLength(2 * 6 + 1);
    expect(lora).toContain('bert.pooler.dense');
    expect(lora).not.toContain('classifier');
  });

  it('scales by alpha / rank, or alpha / √rank', () => {
    const bundle = bundles.get('bert')!;
    expect(resolveLora(bundle, spec(['query'])).lora[0]).toMatchObject({ rank: 4, scale: 2 });
    expect(resolveLora(bundle, { ...spec(['query']), rsLora: true }).lora[0]!.scale).toBe(4);
  });

  it('names what fits nothing, and what would', () => {
    expect(() => names('bert', spec(['query', 'q_proj', 'v_proj']))).toThrow(
      /lora\.targetModules: the model has no module q_proj, v_proj; it has .*attention\.self\.query.*bert\.pooler\.dense/,
    );
    expect(() => names('bert', spec(['query'], ['score']))).toThrow(
      /lora\.modulesToSave: the model has no module score; it has .*classifier/,
    );
  });

  it('refuses a module in both lists, or nothing to adapt', () => {
    expect(() => names('bert', spec(['classifier']))).toThrow(/classifier is trained in full/);
    expect(() => names('roberta', spec(['out_proj']))).toThrow(/nothing left to adapt/);
  });
});
