import { readFileSync } from 'node:fs';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { createBundle, type CreateBundleOptions, type CreatedBundle } from '../../src/model/create-bundle.js';
import { repoPath } from '../support/repo.js';

/** A WordPiece tokenizer over a handful of words: 24 ids. */
export const TINY_TOKENIZER = JSON.parse(
  readFileSync(repoPath('test/data/tiny-tokenizer.json'), 'utf8'),
) as Record<string, unknown> & { readonly model: Record<string, unknown> };

const made: string[] = [];
afterAll(async () => {
  for (const folder of made.splice(0)) await rm(folder, { recursive: true, force: true });
});

/** A folder with `checkpoint` in it: a tiny random model of that architecture, with a tokenizer. Removed after the file's tests. */
export async function tinyCheckpoint(architecture = 'bert'): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'fedrot-bundle-'));
  made.push(folder);
  await cp(repoPath('test/data/checkpoints', architecture), join(folder, 'checkpoint'), { recursive: true });
  await writeFile(join(folder, 'checkpoint/tokenizer.json'), JSON.stringify(TINY_TOKENIZER));
  return folder;
}

/** Makes `<folder>/<name>` from `<folder>/checkpoint`. */
export function tinyBundle(
  folder: string,
  name = 'bundle',
  options: Partial<CreateBundleOptions> = {},
): Promise<CreatedBundle> {
  return createBundle({
    checkpoint: join(folder, 'checkpoint'),
    out: join(folder, name),
    seed: 0,
    ...options,
  });
}
