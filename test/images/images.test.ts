import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { chownSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { freePort } from '../support/e2e.js';
import { repoPath } from '../support/repo.js';
import {
  BASE,
  BUILDAH_ENV,
  buildah,
  configOf,
  IMAGES,
  possible,
  sizeOf,
  type Target,
} from './support/images.js';

const MB = 1e6;

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
      coordinator: (sizeOf(IMAGES.coordinator) - base) / MB,
      client: (sizeOf(IMAGES.client) - base) / MB,
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
      const config = configOf(IMAGES[name]);
      expect(config.User).toBe('node');
      expect(config.Entrypoint).toEqual(['node', '/app/dist/cli/main.js']);
      expect(config.Cmd).toEqual([name]);
      expect(config.Volumes).toEqual({ '/data': {} });
      // buildah's OCI format has no health checks; Docker's has, and takes it from the Dockerfile.
      expect(readFileSync(repoPath('Dockerfile'), 'utf8')).toContain(`"/app/scripts/health.mjs", "${name}"`);
    },
  );

  /** A container as docker-compose.yml describes it, on this machine's network: names and ports are replaced. */
  const container = (image: string): string => {
    const name = buildah('from', image).trim();
    containers.push(name);
    // Beside a `-v` of the same path it is left to chance which buildah 1.28 mounts (test/images/support/docker.mjs).
    for (const path of Object.keys(configOf(image).Volumes ?? {}))
      buildah('config', '--volume', `${path}-`, name);
    return name;
  };
  const sh = (name: string, script: string): string => buildah('run', name, '--', 'sh', '-c', script);

  test('the coordinator holds no ONNX Runtime, the client only that of its platform', () => {
    const coordinator = container(IMAGES.coordinator);
    expect(
      sh(coordinator, 'find / -xdev -iname "*onnxruntime*" 2>/dev/null | grep -v /proc || true').trim(),
    ).toBe('');
    const client = container(IMAGES.client);
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
      const target = image.replace('fedrot-', '') as Target;
      const config = configOf(IMAGES[target]);
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
        container(IMAGES[target]),
        '--',
        ...(entrypoint ?? config.Entrypoint ?? []),
        ...(command ?? config.Cmd ?? []),
      ];
    };
    const daemon = async (name: string): Promise<void> => {
      const child = spawn('buildah', args(name), { env: BUILDAH_ENV, stdio: ['ignore', 'pipe', 'pipe'] });
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
        env: BUILDAH_ENV,
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
