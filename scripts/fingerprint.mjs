// A digest of everything that dist is made from, so that a build is repeated exactly when it is stale.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';

export const STAMP = 'dist/.fingerprint';

const INPUTS = [
  'tsconfig.json',
  'package.json',
  'scripts/build.mjs',
  'scripts/bundle-workers.mjs',
  'scripts/licences.mjs',
  'scripts/web.mjs',
];

export function sourceFingerprint(root) {
  const hash = createHash('sha256');
  const sources = readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) =>
      relative(root, join(entry.parentPath ?? entry.path, entry.name))
        .split(sep)
        .join('/'),
    )
    .sort();
  for (const file of [...sources, ...INPUTS]) {
    const bytes = readFileSync(join(root, file));
    hash.update(`${file}\0${bytes.length}\0`).update(bytes);
  }
  return hash.digest('hex');
}
