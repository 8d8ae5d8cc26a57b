// A LoRA step on a random Llama of 1.24 billion parameters with a 4-bit base: `npm run bench:llama1b`. Shows that it fits into 4 GB: prints one JSON
// line, and exits with 1 where the peak (VmHWM, mapped weights included) is above. Making the model and training are processes of their own.
//
//   npm run bench:llama1b -- --batch 1 --sequence 256 --steps 2 --threads 2
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

/** What the issue asks for. */
const LIMIT_BYTES = 4 * 2 ** 30;

const root = fileURLToPath(new URL('..', import.meta.url));
const { values } = parseArgs({
  options: {
    batch: { type: 'string', default: '1' },
    sequence: { type: 'string', default: '256' },
    steps: { type: 'string', default: '2' },
    threads: { type: 'string', default: String(availableParallelism()) },
  },
});
const numbers = Object.entries(values).map(([name, text]) => [name, Number(text)]);
if (numbers.some(([, number]) => !Number.isInteger(number) || number < 1)) {
  process.stderr.write('bench:llama1b: every option is a whole number of at least 1\n');
  process.exit(2);
}
const options = Object.fromEntries(numbers);
const folder = join(root, '.cache/bench-llama1b');

function run(script, ...args) {
  const { status, stdout } = spawnSync(process.execPath, [join(root, 'bench/train', script), ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status !== 0) process.exit(1);
  return stdout;
}

if (!existsSync(join(folder, 'modules.json'))) run('random-llama.mjs', folder);
const row = {
  ...JSON.parse(run('quantized-steps.mjs', folder, JSON.stringify(options))),
  limitMB: LIMIT_BYTES / 1e6,
};
const ok = row.peakMB <= row.limitMB;
process.stdout.write(`${JSON.stringify({ model: 'llama-1b-4bit', ...options, ...row, ok })}\n`);
process.exit(ok ? 0 : 1);
