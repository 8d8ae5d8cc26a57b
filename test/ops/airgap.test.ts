import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { tinyBundle, tinyCheckpoint } from '../model/tiny-bundle.js';
import { e2e } from '../support/e2e.js';
import { repoPath } from '../support/repo.js';
import { mails } from './support/federation.js';

const MB = 1e6;

describe('air-gapped bundle', () => {
  e2e(
    'is made without a network, unpacked, and trains a run to its end without one',
    async ({ folder, processes }) => {
      // Any use of a registry fails: there is none at this address.
      const env = { ...process.env, npm_config_registry: 'http://127.0.0.1:1/', npm_config_offline: 'true' };
      const pack = spawnSync(process.execPath, [repoPath('scripts/pack-airgap.mjs'), '--out', folder], {
        encoding: 'utf8',
        env,
      });
      expect(pack.status, pack.stderr).toBe(0);
      const [archive = ''] = readdirSync(folder).filter((name) => name.endsWith('.tar.gz'));
      expect(archive).toBe(`fedrot-${version()}-${process.platform}-${process.arch}.tar.gz`);
      expect(statSync(join(folder, archive)).size).toBeLessThan(60 * MB);

      const home = join(folder, 'elsewhere');
      mkdirSync(home);
      expect(spawnSync('tar', ['xzf', join(folder, archive), '-C', home]).status).toBe(0);
      const installed = join(home, archive.replace('.tar.gz', ''));
      const said = spawnSync(join(installed, 'bin/fedrot'), ['--version'], {
        encoding: 'utf8',
        env: { PATH: process.env.PATH },
      });
      expect(said.stdout.trim()).toBe(version());

      const script = join(installed, 'dist/cli/main.js');
      const options = { script, cwd: home };
      const { folder: bundle, manifest } = await tinyBundle(await tinyCheckpoint());
      const coordinator = processes.start(
        'coordinator',
        ['coordinator', '--json', '--data-folder', 'c', '--grpc-port', '0', '--http-port', '0'],
        options,
      );
      const { grpcPort } = (await coordinator.ready()) as { grpcPort: number };
      const address = `127.0.0.1:${grpcPort}`;
      const data = mails(join(home, 'train.jsonl'), manifest.task.labels);
      const silo = processes.start(
        'silo',
        ['client', '--json', '--name', 'a', '--coordinator', address, '--data-train', data, '--threads', '1'],
        options,
      );
      await silo.ready();
      const created = await processes.run(
        [
          ...[
            'run',
            'create',
            '--bundle',
            bundle,
            '--name',
            'x',
            '--run-id',
            'x',
            '--coordinator',
            address,
            '--rounds-count',
            '1',
          ],
          ...['--rounds-min-silos', '1', '--training-local-steps', '2', '--task', '{maxTokens: 16}'],
        ],
        options,
      );
      expect(created.exit, created.describe()).toEqual({ code: 0, signal: null });
      const watched = await processes.run(['run', 'watch', 'x', '--coordinator', address], options);
      expect(watched.exit, watched.describe()).toEqual({ code: 0, signal: null });
    },
  );
});

const version = (): string =>
  (JSON.parse(readFileSync(repoPath('package.json'), 'utf8')) as { version: string }).version;
