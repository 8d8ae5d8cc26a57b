// Makes the Python environment of the oracles in .cache/venv, from the pinned versions in test/oracles. Nothing that
// fedrot ships needs Python: it only judges fedrot's files from outside.
//
//   node scripts/python-env.mjs            numpy and safetensors
//   node scripts/python-env.mjs --peft     PyTorch, transformers and PEFT as well (several gigabytes)
//   node scripts/python-env.mjs --flower   Flower, in .cache/flower, for npm run bench:flower
//
// Where there is no Python 3.10 or newer it says so and exits 0; the oracle tests then skip.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const OLDEST = [3, 10];

const root = fileURLToPath(new URL('..', import.meta.url));
const { values } = parseArgs({
  options: { peft: { type: 'boolean', default: false }, flower: { type: 'boolean', default: false } },
});
const folder = values.flower ? '.cache/flower' : '.cache/venv';
const venv = join(root, folder);
const bin = join(venv, process.platform === 'win32' ? 'Scripts' : 'bin');
const python = join(bin, process.platform === 'win32' ? 'python.exe' : 'python');
const say = (line) => process.stderr.write(`fedrot: ${line}\n`);

const CANDIDATES = ['python3', 'python'];
const PRINT_VERSION = 'import sys, venv; print("%d.%d" % sys.version_info[:2])';

function findPython() {
  for (const name of CANDIDATES) {
    const { status, stdout } = spawnSync(name, ['-c', PRINT_VERSION], { encoding: 'utf8' });
    if (status !== 0) continue;
    const [major, minor] = stdout.trim().split('.').map(Number);
    if (major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return name;
  }
  return undefined;
}

function run(doing, command, args) {
  say(doing);
  const { status } = spawnSync(command, args, { stdio: ['ignore', 2, 2] });
  if (status === 0) return;
  say(`${doing} failed; run \`${[command, ...args].join(' ')}\` to see why`);
  process.exit(1);
}

/** Requirement files of the environment that is asked for. */
const FILES = {
  oracles: ['test/oracles/requirements.txt'],
  peft: ['test/oracles/requirements.txt', 'test/oracles/requirements-peft.txt'],
  flower: ['bench/flower/requirements.txt'],
};
const what = values.flower ? 'flower' : values.peft ? 'peft' : 'oracles';
const requirements = FILES[what].at(-1);
const wanted = FILES[what].map((file) => readFileSync(join(root, file), 'utf8')).join('');
const stamp = join(venv, `.${basename(requirements)}`);
if (existsSync(python) && existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) process.exit(0);

const system = findPython();
if (system === undefined) {
  say(
    `no Python ${OLDEST.join('.')} or newer with venv here (tried ${CANDIDATES.join(', ')}): what needs it will be skipped`,
  );
  process.exit(0);
}
if (!existsSync(python)) {
  // A folder without a working interpreter is what an interrupted run left.
  rmSync(venv, { recursive: true, force: true });
  mkdirSync(join(root, '.cache'), { recursive: true });
  run(`making a Python environment in ${folder}`, system, ['-m', 'venv', venv]);
}
run('installing Python packages', python, [
  ...['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--only-binary', ':all:'],
  ...['-r', join(root, requirements)],
]);
writeFileSync(stamp, wanted);
