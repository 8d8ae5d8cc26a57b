import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { labelsOf } from '../client/data/labels.js';
import { openBundle } from '../model/bundle.js';
import { createBundle } from '../model/create-bundle.js';
import { software } from '../model/software.js';
import type { StudyData } from './data.js';
import type { Study } from './study.js';

/** The bundle folder for a data set: the study's, or one made of its checkpoint with the data's labels and kept in the cache. */
export async function bundleFor(
  { model }: Study,
  { train }: StudyData,
  cache: string,
): Promise<{ readonly folder: string; readonly sha256: string }> {
  const folder = model.bundle ?? (await madeBundle(model, labelsOf(train.examples), cache));
  const { sha256 } = await openBundle(folder, { verify: false });
  return { folder, sha256 };
}

async function madeBundle(model: Study['model'], labels: readonly string[], cache: string): Promise<string> {
  const { checkpoint = '', tokenizer, head, pooling, seed } = model;
  const key = JSON.stringify([software(), resolve(checkpoint), tokenizer, head, pooling, seed, labels]);
  const name = createHash('sha256').update(key).digest('hex').slice(0, 24);
  const out = join(cache, 'bundles', name);
  if (!existsSync(out))
    await createBundle({ checkpoint, out, labels, head, pooling, seed, ...(tokenizer && { tokenizer }) });
  return out;
}
