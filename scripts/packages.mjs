// Are the packages that package-lock.json names the ones in node_modules? Judged by content, because a checkout
// gives files whatever time it likes.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const readJson = (file) => JSON.parse(readFileSync(file, 'utf8'));

/** `missing` (nothing installed), `stale` (something else is installed) or `ready`. */
export function packagesState(root) {
  const installedLock = join(root, 'node_modules/.package-lock.json');
  if (!existsSync(installedLock)) return 'missing';
  const locked = readJson(join(root, 'package-lock.json')).packages;
  const installed = readJson(installedLock).packages;
  for (const [path, want] of Object.entries(locked)) {
    if (path === '') continue;
    const have = installed[path];
    // Packages for other platforms are locked, and rightly not installed.
    if (have === undefined && want.optional) continue;
    if (have?.version !== want.version || have.integrity !== want.integrity) return 'stale';
  }
  return 'ready';
}
