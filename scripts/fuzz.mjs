// Throws mutated inputs at everything that meets bytes from outside (scripts/fuzz/targets.mjs). A finding is an error that is not a
// FedrotError, an input that takes longer than ten seconds, memory that grows, or a process that ends.
//
//   npm run fuzz -- --inputs 1000000 [--seed 1] [--only onnx,csv]
//
// Inputs that fail are kept in .cache/fuzz. Exit code 1 where there are any.
import { fork } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { BROKEN } from './fuzz/broken.mjs';
import { TARGETS } from './fuzz/targets.mjs';

const HANG_MS = 10_000;
const TICKS = 20;

/** Processor time of a process so far; undefined where the system does not say. */
function cpuMsOf(pid) {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
    return 10 * (Number(fields[11]) + Number(fields[12]));
  } catch {
    return undefined;
  }
}
/** Of one target; the same mistake is found thousands of times. */
const MOST_FINDINGS = 5;

const root = fileURLToPath(new URL('..', import.meta.url));
const { values } = parseArgs({
  options: {
    inputs: { type: 'string', default: '20000' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string' },
    'hang-ms': { type: 'string', default: String(HANG_MS) },
  },
});
const inputs = Number(values.inputs);
const names = values.only?.split(',').map((name) => name.trim()) ?? Object.keys(TARGETS);
const known = { ...TARGETS, ...BROKEN };
const unknown = names.find((name) => !(name in known));
if (unknown !== undefined || !(inputs > 0)) {
  process.stderr.write(`no target is called ${unknown}; there are: ${Object.keys(TARGETS).join(', ')}\n`);
  process.exit(2);
}
const shares = names.reduce((sum, name) => sum + (known[name].share ?? 1), 0);

/** Tries the inputs from..to of a target; resolves with { done?, findings, stoppedAt? }. */
function attempt(name, from, to) {
  return new Promise((resolve) => {
    const args = ['--target', name, '--seed', values.seed, '--from', String(from), '--to', String(to)];
    const child = fork(join(root, 'scripts/fuzz/worker.mjs'), args, {
      execArgv: ['--expose-gc', '--max-old-space-size=1024'],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    const findings = [];
    let at = from;
    let done;
    let why;
    // Counted in ticks and by the processor's clock: a machine that sleeps, processes that are paused or get no turn, are no hang. What
    // waits for something that never comes takes no processor time: it has twenty times as long.
    let ticks = 0;
    let cpuMs = 0;
    const watch = () => {
      ticks = 0;
      cpuMs = cpuMsOf(child.pid) ?? 0;
    };
    const timer = setInterval(
      () => {
        const most = Number(values['hang-ms']) * (at === from ? 6 : 1);
        const waitedMs = (++ticks * Number(values['hang-ms'])) / TICKS;
        const worked = cpuMsOf(child.pid);
        if (waitedMs < most || (worked !== undefined && worked - cpuMs < most && waitedMs < 20 * most))
          return;
        why = `hang: no answer within ${values['hang-ms']} ms`;
        child.kill('SIGKILL');
      },
      Number(values['hang-ms']) / TICKS,
    );
    child.on('message', (message) => {
      if (message.at !== undefined) ({ at } = message);
      if (message.finding) findings.push(message.finding);
      ({ done = done } = message);
      watch();
      if (findings.length >= MOST_FINDINGS) child.kill('SIGKILL');
    });
    child.once('exit', (code, signal) => {
      clearInterval(timer);
      if (done === undefined && findings.length < MOST_FINDINGS)
        findings.push({
          index: at,
          what: why ?? `the process ended (${signal ?? code}) within 100 inputs from here`,
        });
      resolve({ done, findings });
    });
  });
}

let failed = 0;
let total = 0;
for (const name of names) {
  const count = Math.max(1, Math.ceil((inputs * (known[name].share ?? 1)) / shares));
  const started = performance.now();
  const { done, findings } = await attempt(name, 0, count);
  total += done?.inputs ?? 0;
  failed += findings.length;
  const perSecond = Math.round(count / ((performance.now() - started) / 1000));
  process.stdout.write(
    `${findings.length === 0 ? 'ok     ' : 'FAILED '} ${name.padEnd(30)} ${String(done?.inputs ?? '–').padStart(8)} inputs, ${String(done?.answers ?? '–').padStart(8)} refused, ${((done?.growth ?? 0) / 2 ** 20).toFixed(1)} MiB, ${perSecond}/s\n`,
  );
  for (const { index, what, input } of findings) {
    const file = join('.cache/fuzz', `${name.replace(/\W+/g, '-')}-${values.seed}-${index}.bin`);
    if (input !== undefined) {
      mkdirSync(join(root, '.cache/fuzz'), { recursive: true });
      writeFileSync(join(root, file), Buffer.from(input, 'base64'));
    }
    process.stdout.write(
      `  input ${index}${input === undefined ? '' : ` (${file})`}: ${what.split('\n').slice(0, 5).join('\n    ')}\n`,
    );
  }
}
process.stdout.write(`${JSON.stringify({ inputs: total, findings: failed, seed: Number(values.seed) })}\n`);
process.exit(failed === 0 ? 0 : 1);
