// How long the coordinator takes from its start to its first answer as ready, on a new data folder each time, which is the slowest
// case: it makes its authority, its certificate and its database. Wall and processor time; the median is to be under 2 s.
//
//   npm run bench:start -- --repeat 5
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const MAIN = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const TARGET_MS = 2000;
/** /proc counts processor time in hundredths of a second. */
const TICK_MS = 10;

/** User and system time of a process so far; NaN where there is no /proc. */
function processorMs(pid) {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ');
    return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
  } catch {
    return NaN;
  }
}

async function startOnce() {
  const folder = mkdtempSync(join(tmpdir(), 'fedrot-start-'));
  const started = performance.now();
  const flags = ['--data-folder', folder, '--grpc-port', '0', '--http-port', '0', '--log-level', 'error'];
  const child = spawn(process.execPath, [MAIN, 'coordinator', ...flags, '--json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  await Promise.race([new Promise((resolve) => child.stdout.once('data', resolve)), ended]);
  const ms = performance.now() - started;
  const cpuMs = processorMs(child.pid);
  child.kill('SIGTERM');
  const code = await ended;
  rmSync(folder, { recursive: true, force: true });
  if (code !== 0) {
    process.stderr.write(`bench:start: the coordinator ended with ${code}\n`);
    process.exit(1);
  }
  return { ms, cpuMs };
}

const { values } = parseArgs({ options: { repeat: { type: 'string', default: '5' } } });
const runs = [];
for (let i = 0; i < Number(values.repeat); i++) runs.push(await startOnce());
const median = (numbers) => numbers.sort((a, b) => a - b)[numbers.length >> 1];
const medianMs = Math.round(median(runs.map(({ ms }) => ms)));
const medianCpuMs = median(runs.map(({ cpuMs }) => cpuMs));
process.stdout.write(
  `${JSON.stringify({ runs: runs.length, medianMs, medianCpuMs, targetMs: TARGET_MS })}\n`,
);
process.exit(medianMs < TARGET_MS ? 0 : 1);
