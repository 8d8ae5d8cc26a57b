// Compiles src to dist. Incremental builds are not worth the stale files: dist is made anew each time.
import { execFileSync } from 'node:child_process';
import { chmodSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { sourceFingerprint, STAMP } from './fingerprint.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
rmSync(`${root}dist`, { recursive: true, force: true });
const fingerprint = sourceFingerprint(root);
execFileSync(process.execPath, [`${root}node_modules/typescript/bin/tsc`, '-p', `${root}tsconfig.json`], {
  stdio: 'inherit',
});
chmodSync(`${root}dist/cli/main.js`, 0o755);
writeFileSync(`${root}${STAMP}`, fingerprint);
