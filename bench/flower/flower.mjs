// Flower as its users start it: a SuperLink, SuperNodes and `flwr run` on loopback, state in memory, without TLS.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const bin = fileURLToPath(new URL('../../.cache/flower/bin', import.meta.url));

export const isInstalled = () => existsSync(join(bin, 'flower-superlink'));

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Resident memory of a process and all below it, MB. */
function treeMB(root) {
  const parents = new Map();
  const resident = new Map();
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name)))
    try {
      const status = readFileSync(`/proc/${pid}/status`, 'utf8');
      parents.set(pid, /PPid:\s+(\d+)/.exec(status)[1]);
      resident.set(pid, Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1000);
    } catch {
      // It has just ended.
    }
  const below = (pid) => {
    for (let at = pid; at !== undefined && at !== '0'; at = parents.get(at))
      if (at === String(root)) return true;
    return false;
  };
  return [...resident].reduce((sum, [pid, mb]) => sum + (below(pid) ? mb : 0), 0);
}

/**
 * One federation from start to end. Resolves with the seconds of every round but the first, and the most memory that SuperLink and
 * ServerApp had together. `pollSeconds`: polling/sitecustomize.py.
 */
export async function runFlower(folder, { clients, modules, rank, size, rounds, pollSeconds, limitMs }) {
  mkdirSync(join(folder, 'home'), { recursive: true });
  const [fleet, control, serverApp] = [await freePort(), await freePort(), await freePort()];
  const out = join(folder, 'rounds.jsonl');
  writeFileSync(out, '');
  writeFileSync(
    join(folder, 'home/config.toml'),
    `[superlink]\ndefault = "bench"\n\n[superlink.bench]\naddress = "127.0.0.1:${control}"\ninsecure = true\n`,
  );
  const env = {
    ...process.env,
    PATH: `${bin}:${process.env.PATH}`,
    FLWR_HOME: join(folder, 'home'),
    FLWR_TELEMETRY_ENABLED: '0',
    ...(pollSeconds && { PYTHONPATH: here('polling'), FLOWER_POLL_SECONDS: String(pollSeconds) }),
  };
  const children = [];
  const killAll = () => {
    for (const child of children.splice(0).reverse())
      try {
        process.kill(-child.pid, 'SIGKILL');
      } catch {
        // It has ended.
      }
  };
  const leave = () => {
    killAll();
    process.exit(1);
  };
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, leave);
  let said = '';
  const start = (command, args) => {
    const child = spawn(join(bin, command), args, {
      env,
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (data) => (said = (said + data).slice(-6000)));
    children.push(child);
    return child;
  };
  let peakMB = 0;
  let sampler;
  try {
    const link = start('flower-superlink', [
      ...[
        '--insecure',
        '--fleet-api-address',
        `127.0.0.1:${fleet}`,
        '--control-api-address',
        `127.0.0.1:${control}`,
      ],
      ...['--serverappio-api-address', `127.0.0.1:${serverApp}`],
    ]);
    sampler = setInterval(() => (peakMB = Math.max(peakMB, treeMB(link.pid))), 250);
    await new Promise((resolve) => setTimeout(resolve, 5000));
    for (let i = 0; i < clients; i++)
      start('flower-supernode', [
        ...[
          '--insecure',
          '--superlink',
          `127.0.0.1:${fleet}`,
          '--clientappio-api-address',
          `127.0.0.1:${await freePort()}`,
        ],
        ...['--node-config', `partition-id=${i}`],
      ]);
    const config = `modules=${modules} rank=${rank} size=${size} clients=${clients} rounds=${rounds} out="${out}"`;
    start('flwr', ['run', here('exchange'), 'bench', '--run-config', config]);
    const read = () =>
      readFileSync(out, 'utf8')
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line));
    const deadline = performance.now() + limitMs;
    while (read().length < rounds && performance.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 500));
    const times = read().map(({ at }) => at);
    if (times.length < 2)
      throw new Error(`Flower finished ${times.length} rounds within ${limitMs} ms: ${said}`);
    return { seconds: times.slice(1).map((at, i) => at - times[i]), peakMB };
  } finally {
    clearInterval(sampler);
    killAll();
    for (const signal of ['SIGINT', 'SIGTERM']) process.off(signal, leave);
  }
}

export const flowerVersion = () =>
  spawnSync(join(bin, 'flower-superlink'), ['--version'], { encoding: 'utf8' })
    .stdout.trim()
    .replace(/^\D*/, '');
