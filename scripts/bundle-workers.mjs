// Puts everything that the coordinator's threads run into one file each, packages included: what loading some two hundred modules takes in
// every thread (15 MB and 0.1 s) is most of what a thread takes. Their licences go into a file beside them.
import { mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'vite';
import { licenceTexts, rememberPackages } from './licences.mjs';

/** By folder: those of one share what they have in common. */
const WORKERS = {
  'server/aggregation': ['aggregate-worker', 'diagnose-worker'],
  'server/transfer': ['upload-worker'],
};

/** Replaces the workers' modules in a compiled tree. Throws where one does not build. */
export async function bundleWorkers(root, dist) {
  for (const [folder, names] of Object.entries(WORKERS)) await bundle(root, join(dist, folder), names);
}

async function bundle(root, folder, workers) {
  const made = mkdtempSync(join(folder, 'bundled-'));
  const packages = new Set();
  try {
    await build({
      root,
      configFile: false,
      envDir: false,
      logLevel: 'warn',
      plugins: [rememberPackages(packages)],
      ssr: { noExternal: true },
      build: {
        ssr: true,
        outDir: made,
        emptyOutDir: false,
        target: 'node20',
        minify: false,
        rolldownOptions: {
          input: Object.fromEntries(workers.map((name) => [name, join(folder, `${name}.js`)])),
          output: { entryFileNames: '[name].js', chunkFileNames: 'bundled-[hash].js' },
        },
      },
    });
    for (const name of readdirSync(made)) renameSync(join(made, name), join(folder, name));
    for (const name of workers) rmSync(join(folder, `${name}.js.map`), { force: true });
    if (packages.size > 0) writeFileSync(join(folder, 'THIRD-PARTY.txt'), licenceTexts(root, packages));
  } finally {
    rmSync(made, { recursive: true, force: true });
  }
}
