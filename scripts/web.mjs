// Builds the dashboard (src/web) with Vite: content-hashed files, compressed once here and not on every request.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { build } from 'vite';
import { licenceTexts, rememberPackages } from './licences.mjs';

const COMPRESSIBLE = /\.(html|js|css|svg|json|webmanifest)$/;

/** Builds into `outDir`, which is emptied; the licences of what is in it go beside it. Throws where a file does not compile. */
export async function buildWeb(root, outDir) {
  const packages = new Set();
  await build({
    root: join(root, 'src/web'),
    configFile: false,
    envDir: false,
    logLevel: 'warn',
    cacheDir: join(root, '.cache/vite'),
    plugins: [rememberPackages(packages)],
    oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
    build: {
      outDir,
      emptyOutDir: true,
      target: 'es2022',
      assetsInlineLimit: 0, // the content security policy lets in no data: URLs
      modulePreload: { polyfill: false },
      reportCompressedSize: false,
      rolldownOptions: { checks: { pluginTimings: false } },
    },
  });
  writeFileSync(join(outDir, '..', 'THIRD-PARTY-web.txt'), licenceTexts(root, packages));
  for (const entry of readdirSync(outDir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !COMPRESSIBLE.test(entry.name)) continue;
    const path = join(entry.parentPath ?? entry.path, entry.name);
    const bytes = readFileSync(path);
    writeFileSync(`${path}.gz`, gzipSync(bytes, { level: 9 }));
    const params = { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
    writeFileSync(`${path}.br`, brotliCompressSync(bytes, { params }));
  }
}
