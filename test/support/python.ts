import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { repoPath } from './repo.js';

/** The interpreter of the oracles' environment; undefined until scripts/python-env.mjs has made it. */
const interpreter = [repoPath('.cache/venv/bin/python'), repoPath('.cache/venv/Scripts/python.exe')].find(
  (path) => existsSync(path),
);

/** Whether these modules can be imported there. */
export function pythonHas(...modules: string[]): boolean {
  if (interpreter === undefined) return false;
  const find = 'import sys, importlib.util as u; sys.exit(any(u.find_spec(m) is None for m in sys.argv[1:]))';
  return spawnSync(interpreter, ['-c', find, ...modules]).status === 0;
}

export const pythonMissing = 'needs the Python environment: `node scripts/python-env.mjs`';
export const peftMissing = 'needs PyTorch and PEFT (several gigabytes): `node scripts/python-env.mjs --peft`';

/** Runs a script of test/oracles with `input` as JSON on stdin; its stdout must be JSON, which is returned. */
export function runPython(script: string, input: unknown): unknown {
  if (interpreter === undefined) throw new Error(pythonMissing);
  const { status, stdout, stderr } = spawnSync(interpreter, [repoPath('test/oracles', script)], {
    input: JSON.stringify(input),
    encoding: 'utf8',
    maxBuffer: 256 * 2 ** 20,
    env: { ...process.env, HF_HUB_OFFLINE: '1', PYTHONDONTWRITEBYTECODE: '1' },
  });
  if (status !== 0) throw new Error(`${script} failed:\n${stderr}`);
  return JSON.parse(stdout);
}
