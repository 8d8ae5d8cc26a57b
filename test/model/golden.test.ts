import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../src/model/checkpoint.js';
import { importCheckpoint } from '../../src/model/import-checkpoint.js';
import { inlineSink } from '../../src/model/weight-sink.js';
import { openSafetensors } from '../../src/tensor/safetensors-file.js';
import { sharedMissing, sharedRoot } from '../support/repo.js';
import { forward, relativeError } from './forward.js';

/**
 * PyTorch's float32 logits are within 2e-5 of the tensor's largest entry too (issue 3 states the tolerance).
 */
const TOLERANCE = 2e-5;

describe.skipIf(sharedRoot === undefined)(`golden checkpoints (${sharedMissing})`, () => {
  const CLASSIFIERS = ['bert', 'roberta', 'distilbert'];
  const LANGUAGE_MODELS = ['gpt2', 'llama', 'qwen2', 'qwen3', 'mistral'];

  it.each([...CLASSIFIERS, ...LANGUAGE_MODELS])('%s gives the logits of PyTorch', async (name) => {
    const folder = join(sharedRoot!, 'data/golden/train', name);
    const checkpoint = await openCheckpoint(join(folder, 'checkpoint'));
    const imported = importCheckpoint(checkpoint, inlineSink, { seed: 0 });
    const batch = JSON.parse(readFileSync(join(folder, 'batch.json'), 'utf8')) as Record<string, number[][]>;
    const expected = openSafetensors(join(folder, 'expected.safetensors'));
    const logits = await forward(imported.model, batch);
    expect(logits.dims).toEqual(CLASSIFIERS.includes(name) ? [4, 3] : [3, 12, 200]);
    expect(relativeError(logits.data, expected.readFloat32('logits.base'))).toBeLessThan(TOLERANCE);
    expect(imported.madeModules).toEqual([]);
    expect(imported.unusedTensors).toEqual([]);
    expect(imported.maxTokens).toBe(64);
    checkpoint.close();
    expected.close();
  });
});
