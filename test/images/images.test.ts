import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { freePort } from '../support/e2e.js';
import { repoPath } from '../support/repo.js';

const SHARED = process.env.FEDROT_SHARED ?? repoPath('../shared');
const TOOL = join(SHARED, 'tools/image-rehearsal');
const BASE = 'docker.io/library/node:24-bookworm-slim';
const MB = 1e6;
/** Where root's settings are in the images. */
const CONTAINER_HOME = join('/', 'root');
const possible = existsSync(TOOL) && process.getuid?.() === 0 && process.platform === 'linux';
if (!possible)
  process.stderr.write(`fedrot: container images are not built here: that takes root on Linux and ${TOOL}\n`);

const env = { ...process.env, STORAGE_DRIVER: 'vfs', BUILDAH_ISOLATION: 'chroot', BUILDAH_LAYERS: 'true' };

function buildah(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync('buildah', args, {
    encoding: 'utf8',
    env,
    maxBuffer: 64 * 2 ** 20,
  });
  expect(status, `buildah ${args.join(' ')}\n${stderr.slice(-4000)}`).toBe(0);
  return stdout;
}

/** Of an image with everything below it, bytes. */
function sizeOf(image: string): number {
  const [{ size = '' } = {}] = JSON.parse(buildah('images', '--json', image)) as { size?: string }[];
  const [, number = '0', unit = ''] = /^([\d.]+) (\w+)$/.exec(size) ?? [];
  return Number(number) * ({ kB: 1e3, KB: 1e3, MB: 1e6, GB: 1e9 }[unit] ?? 1);
}

interface Config {
  readonly OCIv1: {
    readonly config: {
      readonly User?: string;
      readonly Env?: readonly string[];
      readonly Entrypoint?: readonly string[];
      readonly Cmd?: readonly string[];
      readonly Volumes?: object;
      readonly ExposedPorts?: object;
    };
  };
}
const inspect = (image: string): Config => JSON.parse(buildah('inspect', '--type', 'image', image)) as Config;

interface Service {
  readonly image: string;
  readonly entrypoint?: readonly string[];
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
}

/** A file of /proc; empty where its process has just ended. */
function proc(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}

/** The coordinator's process in its container, as this machine sees it; 0 where there is none. */
function coordinatorPid(): number {
  const found = readdirSync('/proc').find(
    (name) =>
      /^\d+$/.test(name) &&
      proc(name, 'cmdline').includes('/app/dist/cli/main.js\0coordinator') &&
      proc(name, 'comm').startsWith('node'),
  );
  return Number(found ?? 0);
}

/** How long a process has lived; /proc counts in hundredths of a second. */
function ageSeconds(pid: number): number {
  const started =
    Number(
      readFileSync(`/proc/${pid}/stat`, 'utf8')
        .replace(/^.*\) /, '')
        .split(' ')[19],
    ) / 100;
  return Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) - started;
}

describe.skipIf(!possible)('container images', () => {
  const folder = possible ? mkdtempSync(join(tmpdir(), 'fedrot-images-')) : '';
  const containers: string[] = [];
  const running: ChildProcess[] = [];
  const images = {
    coordinator: 'localhost/fedrot-coordinator',
    client: 'localhost/fedrot-client',
    trial: 'localhost/fedrot-trial',
  };

  beforeAll(() => {
    // To run what was built a moment ago once more: FEDROT_IMAGES=built.
    if (process.env.FEDROT_IMAGES === 'built') return;
    // What git knows, as a clone would have it.
    const context = join(folder, 'context');
    mkdirSync(context);
    const files = spawnSync('git', ['ls-files', '-z'], { cwd: repoPath('.'), encoding: 'utf8' }).stdout;
    const copied = spawnSync('sh', ['-c', `tar c --null -T - | tar x -C ${context}`], {
      cwd: repoPath('.'),
      input: files,
    });
    expect(copied.status).toBe(0);
    const built = spawnSync('bash', [TOOL, '-t', images.coordinator, '.'], {
      cwd: context,
      encoding: 'utf8',
      env,
      maxBuffer: 64 * 2 ** 20,
    });
    expect(built.status, `${built.stdout}${built.stderr}`.slice(-4000)).toBe(0);
    const rc = spawnSync('npm', ['config', 'get', 'userconfig'], { encoding: 'utf8' }).stdout.trim();
    const mount = existsSync(rc) ? ['-v', `${rc}:${join(CONTAINER_HOME, '.npmrc')}:ro`] : [];
    for (const target of ['client', 'trial'] as const)
      buildah(
        'build',
        '--isolation',
        'chroot',
        '--pull-never',
        '--layers',
        ...mount,
        '--target',
        target,
        '-t',
        images[target],
        '-f',
        join(context, 'Dockerfile'),
        context,
      );
  }, 3_600_000);

  afterAll(async () => {
    for (const child of running.reverse()) {
      child.kill('SIGTERM');
      await new Promise((resolve) =>
        child.exitCode === null ? child.once('exit', resolve) : resolve(undefined),
      );
    }
    for (const name of containers) buildah('rm', name);
    rmSync(folder, { recursive: true, force: true });
  }, 120_000);

  test('add less than 60 MB and 200 MB to their base', () => {
    const base = sizeOf(BASE);
    const added = {
      coordinator: (sizeOf(images.coordinator) - base) / MB,
      client: (sizeOf(images.client) - base) / MB,
    };
    process.stderr.write(
      `images add ${added.coordinator.toFixed(0)} MB (coordinator), ${added.client.toFixed(0)} MB (client)\n`,
    );
    expect(added.coordinator).toBeGreaterThan(0);
    expect(added.coordinator).toBeLessThan(60);
    expect(added.client).toBeLessThan(200);
  });

  test.each(['coordinator', 'client'] as const)(
    'the %s runs as no root, with a volume and a health check',
    (name) => {
      const { OCIv1 } = inspect(images[name]);
      expect(OCIv1.config.User).toBe('node');
      expect(OCIv1.config.Entrypoint).toEqual(['node', '/app/dist/cli/main.js']);
      expect(OCIv1.config.Cmd).toEqual([name]);
      expect(OCIv1.config.Volumes).toEqual({ '/data': {} });
      // buildah's OCI format has no health checks; Docker's has, and takes it from the Dockerfile.
      expect(readFileSync(repoPath('Dockerfile'), 'utf8')).toContain(`"/app/scripts/health.mjs", "${name}"`);
    },
  );

  /** A container as docker-compose.yml describes it, on this machine's network: names and ports are replaced. */
  const container = (image: string): string => {
    const name = buildah('from', image).trim();
    containers.push(name);
    return name;
  };
  const sh = (name: string, script: string): string => buildah('run', name, '--', 'sh', '-c', script);

  test('the coordinator holds no ONNX Runtime, the client only that of its platform', () => {
    const coordinator = container(images.coordinator);
    expect(
      sh(coordinator, 'find / -xdev -iname "*onnxruntime*" 2>/dev/null | grep -v /proc || true').trim(),
    ).toBe('');
    const client = container(images.client);
    const found = sh(
      client,
      'cd /app/node_modules/onnxruntime-node/bin && find . -mindepth 3 -maxdepth 3',
    ).trim();
    expect(found).toMatch(new RegExp(`^\\./napi-v\\d+/linux/${process.arch}$`));
    expect(sh(client, 'id -un && test ! -w /app && echo read-only')).toBe('node\nread-only\n');
  });

  test('the services of docker-compose.yml, from these images: a run from its beginning to its end', async () => {
    const { services } = parse(readFileSync(repoPath('docker-compose.yml'), 'utf8'), { merge: true }) as {
      services: Readonly<Record<string, Service>>;
    };
    const [grpc, http] = [await freePort(), await freePort()];
    const metrics = new Map<string, number>();
    for (const name of Object.keys(services)) metrics.set(name, await freePort());
    const volume = (name: string): string => {
      const path = join(folder, name);
      mkdirSync(path, { recursive: true });
      chownSync(path, 1000, 1000);
      return path;
    };
    // Two rounds are enough to see it work.
    const quick = readFileSync(repoPath('deploy/compose/run.yaml'), 'utf8').replace('count: 16', 'count: 2');
    expect(quick).toContain('count: 2');
    writeFileSync(join(folder, 'run.yaml'), quick, { mode: 0o644 });

    const args = (name: string): string[] => {
      const { image, entrypoint, command, environment = {}, volumes = [] } = services[name]!;
      const target = image.replace('fedrot-', '') as keyof typeof images;
      const { config } = inspect(images[target]).OCIv1;
      const settings = {
        ...environment,
        FEDROT_GRPC_PORT: String(grpc),
        FEDROT_HTTP_PORT: String(http),
        FEDROT_METRICS_PORT: String(metrics.get(name)),
        FEDROT_COORDINATOR: `localhost:${grpc}`,
        FEDROT_LOG_FORMAT: 'json',
      };
      return [
        'run',
        ...volumes.flatMap((each) => ['-v', each.replace(/^[^:]+/, volume)]),
        ...['-v', `${join(folder, 'run.yaml')}:/trial/run.yaml:ro`],
        ...Object.entries(settings).flatMap(([key, value]) => ['--env', `${key}=${value}`]),
        container(images[target]),
        '--',
        ...(entrypoint ?? config.Entrypoint ?? []),
        ...(command ?? config.Cmd ?? []),
      ];
    };
    const daemon = async (name: string): Promise<void> => {
      const child = spawn('buildah', args(name), { env, stdio: ['ignore', 'pipe', 'pipe'] });
      running.push(child);
      let log = '';
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (part: Buffer) => (log += part.toString()));
      const port = name === 'coordinator' ? http : metrics.get(name);
      for (;;) {
        if (child.exitCode !== null) throw new Error(`${name} ended\n${log}`);
        const path = name === 'coordinator' ? '/readyz' : '/healthz';
        const up = await fetch(`http://127.0.0.1:${port}${path}`).then(
          ({ ok }) => ok,
          () => false,
        );
        if (up) return;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    };
    const task = (name: string): string => {
      const { status, stdout, stderr } = spawnSync('buildah', args(name), {
        encoding: 'utf8',
        env,
        timeout: 900_000,
      });
      expect(status, `${name}\n${stdout}${stderr}`).toBe(0);
      return stdout;
    };

    await daemon('coordinator');
    const readyS = ageSeconds(coordinatorPid());
    process.stderr.write(`the coordinator's process was ready after ${readyS.toFixed(2)} s\n`);
    expect(task('init')).toContain('certificates and tokens are ready');
    for (const name of ['silo-1', 'silo-2', 'silo-3', 'evaluator']) await daemon(name);
    const told = task('run');
    expect(told).toContain('round 2/2');
    expect(told).toContain('finished');

    // SIGTERM drains: the process of the container ends by itself with code 0.
    const [first] = running;
    process.kill(coordinatorPid(), 'SIGTERM');
    const code = await new Promise((resolve) => first!.once('exit', resolve));
    expect(code).toBe(0);
  }, 1_800_000);
});
