// Compiles src to dist, and the dashboard to dist/web. The compiler writes beside dist and the folder is swapped in only when all is well: a failed
// build leaves the last good one, and processes that run from dist meet either the old build or the new one.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkers } from './bundle-workers.mjs';
import { sourceFingerprint, STAMP } from './fingerprint.mjs';
import { buildWeb } from './web.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const fingerprint = sourceFingerprint(root);
const next = join(root, `dist-next-${process.pid}`);
const old = join(root, `dist-old-${process.pid}`);
process.on('exit', () => {
  for (const folder of [next, old]) rmSync(folder, { recursive: true, force: true });
});

const compiler = join(root, 'node_modules/typescript/bin/tsc');
const { status } = spawnSync(
  process.execPath,
  [compiler, '-p', join(root, 'tsconfig.json'), '--outDir', next, '--noEmitOnError'],
  { stdio: ['ignore', 2, 2] },
);
if (status !== 0) process.exit(1);
await buildWeb(root, join(next, 'web'));
await bundleWorkers(root, next);

const entry = join(next, 'cli/main.js');
if (existsSync(entry)) chmodSync(entry, 0o755);
writeFileSync(join(next, basename(STAMP)), fingerprint);
if (existsSync(join(root, 'dist'))) renameSync(join(root, 'dist'), old);
renameSync(next, join(root, 'dist'));
