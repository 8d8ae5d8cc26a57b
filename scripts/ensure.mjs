// Makes a fresh clone ready: installs the locked packages and builds dist where either is missing or stale.
// It runs before anything is installed, so it uses nothing but Node.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sourceFingerprint, STAMP } from './fingerprint.mjs';
import { withLock } from './lock.mjs';
import { nodeTooOld } from './node-version.mjs';
import { packagesState } from './packages.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const say = (line) => process.stderr.write(`fedrot: ${line}\n`);

const tooOld = nodeTooOld(root, process.versions.node);
if (tooOld) {
  process.stderr.write(`${tooOld}\n`);
  process.exit(1);
}

/** Exit code 0 or the end of this process with a line that says how to see why. */
function run(doing, command, args) {
  say(doing);
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 2, 2],
    // onnxruntime-node would download CUDA libraries that fedrot does not use.
    env: { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' },
    shell: process.platform === 'win32',
  });
  if (status === 0) return true;
  say(
    `${doing} failed${error ? `: ${error.message}` : ''}; run \`${[command, ...args].join(' ')}\` to see why`,
  );
  return false;
}

function installIfNeeded() {
  const quiet = ['--no-audit', '--no-fund', '--prefer-offline'];
  const state = packagesState(root);
  if (state === 'missing') return run('installing packages', 'npm', ['ci', ...quiet]);
  // Not `npm ci`: it would delete packages under processes that are running.
  if (state === 'stale') return run('updating packages', 'npm', ['install', ...quiet]);
  return true;
}

function buildIfNeeded() {
  const stamp = join(root, STAMP);
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === sourceFingerprint(root)) return true;
  return run('building', process.execPath, [join(root, 'scripts/build.mjs')]);
}

const ready = withLock(
  join(root, '.cache/ensure.lock'),
  () => installIfNeeded() && buildIfNeeded(),
  (holder) => say(`waiting for another npm command (process ${holder}) to install or build`),
);
process.exit(ready ? 0 : 1);
