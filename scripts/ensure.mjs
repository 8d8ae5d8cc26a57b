// Makes a fresh clone ready: installs the locked packages and builds dist where either is missing or stale.
// It runs before anything is installed, so it uses nothing but Node.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { sourceFingerprint, STAMP } from './fingerprint.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

function run(command, args, doing) {
  process.stderr.write(`fedrot: ${doing}\n`);
  const result = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 2, 2],
    env: { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' },
    shell: process.platform === 'win32',
  });
  if (result.status !== 0) {
    process.stderr.write(`fedrot: ${doing} failed; run \`${[command, ...args].join(' ')}\` to see why\n`);
    process.exit(1);
  }
}

const installed = `${root}node_modules/.package-lock.json`;
if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(`${root}package-lock.json`).mtimeMs)
  run('npm', ['ci', '--no-audit', '--no-fund'], 'installing packages');

const stamp = `${root}${STAMP}`;
if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== sourceFingerprint(root))
  run(process.execPath, [`${root}scripts/build.mjs`], 'building');
