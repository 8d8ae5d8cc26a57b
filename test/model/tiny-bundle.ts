import { readFileSync } from 'node:fs';
import { cp, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createBundle, type CreateBundleOptions, type CreatedBundle } from '../../src/model/create-bundle.js';
import { repoPath } from '../support/repo.js';

/** A WordPiece tokenizer over a handful of words: 25 ids. */
export const TINY_TOKENIZER = JSON.parse(
  readFileSync(repoPath('test/data/tiny-tokenizer.json'), 'utf8'),
) as Record<string, unknown> & { readonly model: Record<string, unknown> };

/** A temporary folder with `checkpoint` in it: a tiny random model of that architecture, with a tokenizer. */
export async function tinyCheckpoint(architecture = 'bert'): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'fedrot-bundle-'));
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
