import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { siloFolders } from '../../client/silo-folders.js';
import { asFedrotError } from '../../errors.js';
import { openBundle } from '../../model/bundle.js';
import { SHA256 } from '../../name.js';
import { fail, skip, ok, type Finding } from './finding.js';

/** Reads every file of every model that the silo keeps, and compares it with its SHA-256. */
export async function checkBundles(folder: string): Promise<Finding[]> {
  const { bundles } = siloFolders(folder);
  const names = (await readdir(bundles).catch(() => [])).filter((name) => SHA256.test(name));
  if (names.length === 0) return [skip('model', 'none is here yet; the first task fetches it')];
  return Promise.all(
    names.map(async (name) => {
      const path = join(bundles, name);
      try {
        const { manifest } = await openBundle(path, { verify: true, sha256: name });
        return ok(
          'model',
          `${name.slice(0, 12)}… (${manifest.base.architecture}): every file has its SHA-256`,
        );
      } catch (thrown) {
        return fail(
          'model',
          asFedrotError(thrown).message,
          `delete ${path}; it is fetched again with the next task`,
        );
      }
    }),
  );
}
