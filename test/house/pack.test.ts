import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Processes } from '../support/processes.js';
import { readRepoJson, repoRoot } from '../support/repo.js';

const exec = promisify(execFile);
const manifest = readRepoJson('package.json') as {
  readonly version: string;
  readonly dependencies: Record<string, string>;
  readonly devDependencies: Record<string, string>;
};

interface Packed {
  readonly filename: string;
  readonly size: number;
  readonly files: readonly { readonly path: string }[];
}

const npm = (args: readonly string[], cwd: string): Promise<{ stdout: string }> =>
  exec('npm', [...args, '--no-audit', '--no-fund', '--prefer-offline'], {
    cwd,
    env: { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip', NO_COLOR: '1' },
    shell: process.platform === 'win32',
    maxBuffer: 64 * 2 ** 20,
  });

describe('the package that silos install', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fedrot-pack-'));
  const silo = join(folder, 'silo');
  const main = join(silo, 'node_modules/fedrot/dist/cli/main.js');
  let packed: Packed;

  beforeAll(async () => {
    mkdirSync(silo);
    // dist is fresh: npm test made it.
    const { stdout } = await npm(
      ['pack', '--json', '--ignore-scripts', '--pack-destination', folder],
      repoRoot,
    );
    [packed] = JSON.parse(stdout) as [Packed];
    // The README's command, with the tarball for the name; --prefix keeps npm from choosing a folder further up.
    await npm(['install', '--prefix', silo, join(folder, packed.filename)], silo);
  }, 300_000);
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  const fedrot = (...args: string[]): Promise<{ stdout: string; stderr: string }> =>
    exec('npx', ['--no-install', 'fedrot', ...args], { cwd: silo, shell: process.platform === 'win32' });

  test('holds what is needed to run, and nothing else', () => {
    const paths = packed.files.map(({ path }) => path);
    expect(paths).toEqual(
      expect.arrayContaining([
        'dist/cli/main.js',
        'proto/fedrot/v1/coordinator.proto',
        'LICENSE',
        'README.md',
      ]),
    );
    const allowed = /^(dist\/|proto\/|(LICENSE|README\.md|CHANGELOG\.md|package\.json)$)/;
    expect(paths.filter((path) => !allowed.test(path))).toEqual([]);
    expect(paths.filter((path) => path.includes('.fingerprint'))).toEqual([]);
  });

  test('brings every dependency and nothing for development', () => {
    const installed = new Set(
      readdirSync(join(silo, 'node_modules'), { withFileTypes: true }).flatMap((entry) =>
        entry.name.startsWith('@')
          ? readdirSync(join(silo, 'node_modules', entry.name)).map((name) => `${entry.name}/${name}`)
          : entry.name,
      ),
    );
    expect(Object.keys(manifest.dependencies).filter((name) => !installed.has(name))).toEqual([]);
    // Types of Node are a dependency of protobufjs.
    const development = Object.keys(manifest.devDependencies).filter((name) => name !== '@types/node');
    expect(development.filter((name) => installed.has(name))).toEqual([]);
  });

  test('fedrot --help and --version run', async () => {
    expect((await fedrot('--help')).stdout).toMatch(/^Usage: fedrot/);
    expect((await fedrot('--version')).stdout.trim()).toBe(manifest.version);
  });

  test('every command explains itself', async () => {
    const { stdout } = await fedrot('--help');
    const commands = [...stdout.matchAll(/^ {2}([a-z]+)\b/gm)].map(([, name]) => name!);
    expect(commands).toEqual(expect.arrayContaining(['coordinator', 'client', 'run', 'adapter', 'bundle']));
    for (const command of commands.filter((name) => name !== 'help'))
      expect((await exec(process.execPath, [main, command, '--help'], { cwd: silo })).stdout).toMatch(
        new RegExp(`^Usage: fedrot ${command}`),
      );
  });

  test('ONNX Runtime loads', async () => {
    const { stdout } = await exec(
      process.execPath,
      ['-p', "typeof require('onnxruntime-node').InferenceSession.create"],
      { cwd: silo },
    );
    expect(stdout.trim()).toBe('function');
  });

  test('the coordinator starts, says that it is ready, and drains', async () => {
    const processes = new Processes();
    try {
      const args = ['coordinator', '--json', '--data-folder', join(folder, 'data')];
      const coordinator = processes.start('coordinator', [...args, '--grpc-port', '0', '--http-port', '0'], {
        script: main,
        cwd: silo,
      });
      const { httpPort } = await coordinator.ready();
      expect((await fetch(`http://127.0.0.1:${String(httpPort)}/readyz`)).status).toBe(200);
      expect(await coordinator.stop()).toEqual({ code: 0, signal: null });
    } finally {
      await processes.dispose();
    }
  });
});
