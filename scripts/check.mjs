// Every check of the project, one after the other; all run even where one fails, and the table at the end says which.
//
//   npm run check                      everything
//   node scripts/check.mjs --only lint,types
//   node scripts/check.mjs --skip tests
//
// What failed is said again at the end: the last of what each such check printed, in the output and, for CI, in the file that
// FEDROT_TEST_FAILURES names (test/support/failures.ts fills it too).
import { spawn } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));
const script = (name, ...args) => [process.execPath, join(root, 'scripts', name), ...args];
const tool = (path, ...args) => [process.execPath, join(root, 'node_modules', path), ...args];
const vitest = (...args) => tool('vitest/vitest.mjs', 'run', ...args);

/** name → what it shows and the command; `env` is added to the environment. */
const CHECKS = {
  types: {
    shows: 'sources, tests and benches compile',
    command: tool('typescript/bin/tsc', '--noEmit', '-p', 'tsconfig.test.json'),
  },
  'web-types': {
    shows: 'the dashboard compiles',
    command: tool('typescript/bin/tsc', '-p', 'src/web/tsconfig.json'),
  },
  lint: {
    shows: 'no lint error, no warning',
    command: tool('eslint/bin/eslint.js', '.', '--max-warnings', '0'),
  },
  format: {
    shows: 'files are formatted',
    command: tool('prettier/bin/prettier.cjs', '--check', '--log-level', 'warn', '.'),
  },
  proto: { shows: 'generated types match proto/', command: script('gen-proto.mjs', '--check') },
  kernels: {
    shows: 'the WebAssembly kernels match their source',
    command: script('gen-kernels.mjs', '--check'),
  },
  docs: { shows: 'generated documents match the code', command: script('gen-docs.mjs', '--check') },
  dependencies: {
    shows: 'bill of materials, no known vulnerabilities in what users install',
    command: script('audit-deps.mjs'),
  },
  dashboards: {
    shows: 'Grafana dashboards match their source',
    command: script('gen-dashboards.mjs', '--check'),
  },
  tests: {
    shows: 'npm test',
    command: vitest('--project', 'unit', '--project', 'house', '--project', 'e2e'),
  },
  chaos: {
    shows: 'federations survive kills, broken connections, clock jumps and full disks',
    command: [
      process.execPath,
      join(root, 'test/chaos/chaos.mjs'),
      ...'--seeds 10 --jobs 4 --again 2'.split(' '),
    ],
  },
  goldens: {
    shows:
      "training agrees with PyTorch + PEFT on the project's golden models, and on ../shared's where they are",
    command: script(
      'goldens.mjs',
      ...[join(root, 'test/fixtures/golden'), join(root, '../shared/data/golden/train')],
      ...['--if-present', '--quiet'],
    ),
  },
  python: { shows: "the oracles' Python packages are there", command: script('python-env.mjs') },
  oracles: {
    shows: 'independent judges in Python agree',
    command: vitest('--project', 'oracles'),
    env: { FEDROT_TEST_LABEL: 'oracles' },
  },
  prometheus: { shows: "Debian's Prometheus is there", command: script('prometheus.mjs') },
  ops: {
    shows: 'alert rules, dashboards and the air-gapped bundle work',
    command: vitest('--project', 'ops'),
    env: { FEDROT_TEST_LABEL: 'ops' },
  },
  chromium: { shows: "Debian's Chromium is there", command: script('chromium.mjs') },
  browser: {
    shows: 'the dashboard in headless Chromium',
    command: vitest('--project', 'browser'),
    env: { FEDROT_TEST_LABEL: 'browser' },
  },
  images: {
    shows: 'container images are built and run',
    command: vitest('--project', 'images'),
    env: { FEDROT_TEST_LABEL: 'images' },
  },
};

const names = Object.keys(CHECKS);
const { values } = parseArgs({ options: { only: { type: 'string' }, skip: { type: 'string' } } });
const listed = (text) => text?.split(',').map((name) => name.trim());
const asked = listed(values.only) ?? names;
const skipped = listed(values.skip) ?? [];
const unknown = [...asked, ...skipped].filter((name) => !names.includes(name));
if (unknown.length > 0) {
  process.stderr.write(`no check is called ${unknown.join(', ')}; there are ${names.join(', ')}\n`);
  process.exit(2);
}

/** Of a check's output, in characters: what is said again where it failed. */
const LAST_WORDS = 2000;

/** So long a check that has ended may leave its output open, ms: to a process that outlives it. */
const GRACE_MS = 5000;

/** Runs a command; its output passes through, and the end of it is kept. */
function run([file, ...args], env) {
  const child = spawn(file, args, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  let last = '';
  const pass = (from, to) =>
    from.setEncoding('utf8').on('data', (text) => {
      to.write(text);
      last = (last + text).slice(-LAST_WORDS);
    });
  pass(child.stdout, process.stdout);
  pass(child.stderr, process.stderr);
  return new Promise((resolve) => {
    const end = (status) => resolve({ ok: status === 0, last });
    child.once('error', (error) => {
      last += error.message;
      end(1);
    });
    child.once('close', end);
    child.once('exit', (status) => setTimeout(end, GRACE_MS, status).unref());
  });
}

const results = [];
for (const name of names.filter((name) => asked.includes(name) && !skipped.includes(name))) {
  const { shows, command, env } = CHECKS[name];
  process.stdout.write(`\n── ${name}: ${shows}\n`);
  const started = performance.now();
  const { ok, last } = await run(command, env);
  results.push({ name, ok, last, seconds: (performance.now() - started) / 1000 });
}

for (const { name, last } of results.filter(({ ok }) => !ok)) {
  const said = `\n── ${name} failed; the last it said:\n${last}\n`;
  process.stdout.write(said);
  if (process.env.FEDROT_TEST_FAILURES) appendFileSync(process.env.FEDROT_TEST_FAILURES, said);
}
process.stdout.write('\n');
for (const { name, ok, seconds } of results)
  process.stdout.write(
    `${ok ? 'ok    ' : 'FAILED'} ${name.padEnd(10)} ${seconds.toFixed(1).padStart(7)} s\n`,
  );
process.exit(results.every(({ ok }) => ok) ? 0 : 1);
