import { cp, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { openBundle } from '../../src/model/bundle.js';
import { initialAdapter } from '../../src/model/initial-adapter.js';
import type { Quantization } from '../../src/model/quantize-imported.js';
import { resolveLora } from '../../src/model/resolve-lora.js';
import { writeMerged } from '../../src/model/write-merged.js';
import { Random } from '../../src/random.js';
import { Trainer } from '../../src/train/trainer.js';
import { repoPath } from '../support/repo.js';
import { relativeError } from './forward.js';
import { MINILM } from './minilm.js';
import { run } from './run-file.js';
import { TINY_TOKENIZER, tinyBundle, tinyCheckpoint } from './tiny-bundle.js';

let home: string | undefined;
afterEach(async () => {
  if (home !== undefined) await rm(home, { recursive: true });
  home = undefined;
});

const ENCODERS = readdirSync(repoPath('test/data/checkpoints'));
const DECODERS = readdirSync(repoPath('test/data/golden'));
/** MiniLM, the smallest with layers wide enough to be packed; test/model/quantize.test.ts does the same for a decoder. */
const PACKED: readonly (readonly [string, Quantization | undefined])[] = [
  ['minilm', { bits: 4, block: 32 }],
  ['minilm', { bits: 8, block: 64 }],
];

async function checkpointOf(name: string): Promise<string> {
  if (ENCODERS.includes(name)) return tinyCheckpoint(name);
  if (name === 'minilm') {
    const folder = await mkdtemp(join(tmpdir(), 'fedrot-merge-'));
    await symlink(MINILM, join(folder, 'checkpoint'));
    return folder;
  }
  const folder = await mkdtemp(join(tmpdir(), 'fedrot-merge-'));
  await cp(repoPath('test/data/golden', name, 'checkpoint'), join(folder, 'checkpoint'), { recursive: true });
  await writeFile(join(folder, 'checkpoint/tokenizer.json'), JSON.stringify(TINY_TOKENIZER));
  return folder;
}

const CASES = [...ENCODERS, ...DECODERS].map((name): (typeof PACKED)[number] => [name, undefined]);

describe('a merged model', () => {
  it.each([...CASES, ...PACKED])(
    '%s on a base of %j: the logits of base + adapter',
    async (name, quantize) => {
      home = await checkpointOf(name);
      const created = await tinyBundle(home, 'bundle', {
        ...(quantize && { quantize }),
        ...(name === 'minilm' && { labels: ['ham', 'spam'] }),
      });
      const bundle = await openBundle(created.folder, { verify: true });
      const causal = bundle.manifest.task.kind === 'causal-lm';
      const full = new Set(bundle.manifest.modules.dense.map((module) => module.name));
      const head = causal ? [] : bundle.manifest.modules.head.filter((module) => full.has(module));
      const settings = {
        rank: 3,
        alpha: 5,
        rsLora: false,
        targetModules: ['all-linear'],
        modulesToSave: head,
      };
      const random = Random.of('merge families', name);
      const tensors = initialAdapter(bundle, settings, 1).map((tensor) => ({
        ...tensor,
        data: tensor.data.map((value) => value + random.normal(0, 0.2)),
      }));
      const tensor = (...data: number[]) => ({ dims: [2, 5], data: BigInt64Array.from(data, BigInt) });
      const all: Record<string, ReturnType<typeof tensor>> = {
        input_ids: tensor(4, 6, 9, 3, 5, 5, 7, 11, 0, 0),
        attention_mask: tensor(1, 1, 1, 1, 1, 1, 1, 1, 0, 0),
        token_type_ids: tensor(0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
      };
      const inputs = Object.fromEntries(
        bundle.manifest.model.inputs.map(({ name: input }) => [input, all[input]!]),
      );
      const labels = causal ? all.input_ids! : { dims: [2], data: BigInt64Array.of(0n, 1n) };
      const resolved = resolveLora(bundle, settings);
      const trainer = await Trainer.open({ folder: bundle.folder, ...resolved });
      trainer.load(tensors);
      const expected = (await trainer.evaluate({ inputs, labels })).logits.data;
      const zero = tensors.map((each) =>
        each.name.includes('lora_B') ? { ...each, data: new Float32Array(each.data.length) } : each,
      );
      trainer.load(zero);
      const base = (await trainer.evaluate({ inputs, labels })).logits.data;
      await trainer.close();
      const { file, merged, attached } = await writeMerged(
        bundle,
        { settings, tensors },
        join(home, 'merged'),
      );
      const actual = await run(join(home, 'merged', file), inputs);
      expect(relativeError(actual, expected)).toBeLessThan(1e-4);
      // The adapter matters, so that agreement says something.
      expect(relativeError(base, expected)).toBeGreaterThan(1e-2);
      expect(merged.length + attached.length).toBe(resolved.lora.length);
      if (quantize !== undefined) expect(attached.length).toBeGreaterThan(0);
    },
  );
});
