import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { openBundle } from '../../src/model/bundle.js';
import { createBundle } from '../../src/model/create-bundle.js';
import { readPeftAdapter } from '../../src/model/peft.js';
import { resolveLora } from '../../src/model/resolve-lora.js';
import { sharedMissing, sharedRoot } from '../support/repo.js';
import { checkGolden } from '../train/support/golden.js';
import { TINY_TOKENIZER } from './tiny-bundle.js';

let folder: string | undefined;
afterEach(async () => {
  if (folder !== undefined) await rm(folder, { recursive: true });
  folder = undefined;
});

const GOLDEN = sharedRoot === undefined ? '' : join(sharedRoot, 'data/golden/train');
const FOLDERS = ['bert', 'roberta', 'distilbert', 'gpt2', 'llama', 'qwen2', 'qwen3', 'mistral'];
const filesOf = (name: string): string[] =>
  readdirSync(join(GOLDEN, name)).filter((file) => file.endsWith('.onnx'));
const CASES =
  sharedRoot === undefined
    ? []
    : FOLDERS.flatMap((name) => filesOf(name).map((file) => [name, file] as const));

describe.skipIf(sharedRoot === undefined)(`bundles from ONNX exports (${sharedMissing})`, () => {
  it.each(CASES)(
    '%s, %s: modules under the checkpoint’s names, and PyTorch’s numbers',
    async (name, file) => {
      folder = await mkdtemp(join(tmpdir(), 'fedrot-onnx-'));
      await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(TINY_TOKENIZER));
      const created = await createBundle({
        onnx: join(GOLDEN, name, file),
        checkpoint: join(GOLDEN, name, 'checkpoint'),
        tokenizer: folder,
        out: join(folder, 'bundle'),
        seed: 0,
      });
      const bundle = await openBundle(created.folder, { verify: true });
      const causal = !['bert', 'roberta', 'distilbert'].includes(name);
      expect(bundle.manifest.task.kind).toBe(causal ? 'causal-lm' : 'text-classification');
      expect(bundle.manifest.model.maxTokens).toBe(64);
      const { settings, tensors } = await readPeftAdapter(join(GOLDEN, name, 'lora'));
      tensors.close();
      const { lora, dense } = resolveLora(bundle, settings);
      const inputs = bundle.manifest.model.inputs.map((input) => input.name);
      const rows = await checkGolden(
        join(GOLDEN, name),
        'lora',
        { folder: bundle.folder, lora, dense, threads: 1 },
        inputs,
      );
      expect(rows.length).toBeGreaterThan(25);
      expect(rows.filter(({ ok }) => !ok)).toEqual([]);
    },
  );
});
