import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { Random } from '../../src/random.js';
import { tinyBundle, tinyCheckpoint } from '../model/tiny-bundle.js';
import { e2e } from '../support/e2e.js';
import type { Processes, TestProcess } from '../support/processes.js';

const SILOS = ['north', 'south'] as const;
const STEPS = 120;
/** So far has the silo come when it is killed. */
const KILLED_FROM = 20;

interface RunJson {
  readonly state: string;
  readonly rounds: readonly { readonly updates: number; readonly adapter: { readonly sha256: string } }[];
}

function writeTexts(path: string, silo: string, labels: readonly string[]): void {
  const random = Random.of(silo);
  const words = ['free', 'win', 'money', 'cheap', 'meeting', 'tomorrow', 'mail', 'list'];
  const line = (index: number): string =>
    JSON.stringify({
      text: Array.from({ length: 1 + random.integer(12) }, () => words[random.integer(8)]).join(' '),
      label: labels[index % 2],
    });
  writeFileSync(path, Array.from({ length: 30 }, (_, index) => `${line(index)}\n`).join(''));
}

/** Steps that a silo has stored of the training under way. */
function storedStep(folder: string): number {
  const names = (() => {
    try {
      return readdirSync(join(folder, 'training')).filter((name) => name.endsWith('.json'));
    } catch {
      return [];
    }
  })();
  const step = (name: string): number => {
    try {
      return (JSON.parse(readFileSync(join(folder, 'training', name), 'utf8')) as { step: number }).step;
    } catch {
      return 0; // being replaced
    }
  };
  return Math.max(0, ...names.map(step));
}

/** A coordinator and two silos; `disturb` sees the first silo and may replace it. Resolves with the run at its end. */
async function federate(
  processes: Processes,
  folder: string,
  bundle: { readonly folder: string; readonly labels: readonly string[] },
  disturb?: (first: TestProcess, restart: () => TestProcess) => Promise<void>,
): Promise<RunJson> {
  mkdirSync(folder);
  const coordinator = processes.start('coordinator', [
    ...['coordinator', '--json', '--data-folder', join(folder, 'coordinator')],
    ...['--grpc-port', '0', '--http-port', '0', '--log-format', 'json'],
  ]);
  const { grpcPort } = await coordinator.ready();
  const address = `127.0.0.1:${String(grpcPort)}`;
  const started: TestProcess[] = [];
  const startSilo = (name: string): TestProcess => {
    const silo = processes.start(name, [
      ...['client', '--json', '--name', name, '--coordinator', address, '--threads', '1'],
      ...['--data-train', join(folder, `${name}.jsonl`), '--folder', join(folder, name)],
      ...['--log-format', 'json', '--training-checkpoint-ms', '0', '--training-prefix-cache', 'on'],
    ]);
    started.push(silo);
    return silo;
  };
  for (const name of SILOS) {
    writeTexts(join(folder, `${name}.jsonl`), name, bundle.labels);
    await startSilo(name).ready();
  }
  const { run } = await processes.json<{ run: string }>([
    ...[
      'run',
      'create',
      '--bundle',
      bundle.folder,
      '--name',
      'resume',
      '--coordinator',
      address,
      '--seed',
      '3',
    ],
    ...['--rounds-count', '2', '--rounds-min-silos', '2', '--training-local-steps', String(STEPS)],
    ...[
      '--training-batch-size',
      '4',
      '--task',
      '{maxTokens: 16}',
      '--lora-rank',
      '2',
      '--lora-dropout',
      '0.1',
    ],
    ...['--lora-target-modules', '["/.*layer\\\\.1\\\\..*query/"]', '--training-proximal', '0.01'],
    ...['--training-gradient-accumulation', '2'],
  ]);
  await disturb?.(started[0]!, () => startSilo(SILOS[0]));
  const watch = processes.start('watch', ['run', 'watch', run, '--json', '--coordinator', address]);
  expect(await watch.end(120_000), watch.describe()).toMatchObject({ code: 0 });
  const shown = await processes.json<RunJson>(['run', 'show', run, '--coordinator', address]);
  for (const silo of started.filter(({ exit }) => exit === undefined)) await silo.stop();
  await coordinator.stop();
  return shown;
}

describe('a silo is killed in the middle of its local training and started again', () => {
  e2e(
    'it goes on at the step it was at, and the run has the adapters of an undisturbed one',
    async ({ processes, folder }) => {
      const checkpoint = await tinyCheckpoint();
      const { folder: bundleFolder, manifest } = await tinyBundle(checkpoint);
      const bundle = { folder: bundleFolder, labels: manifest.task.labels };
      const calm = await federate(processes, join(folder, 'calm'), bundle);
      expect(calm.state).toBe('finished');

      let killedAt = 0;
      let resumed: TestProcess | undefined;
      const stormy = await federate(processes, join(folder, 'stormy'), bundle, async (first, restart) => {
        const own = join(folder, 'stormy', SILOS[0]);
        killedAt = await first.until(
          'some steps',
          () => [storedStep(own)].find((step) => step >= KILLED_FROM),
          {},
        );
        await first.kill9();
        resumed = restart();
      });
      rmSync(checkpoint, { recursive: true });
      expect(stormy.state).toBe('finished');
      const [goesOn] = resumed!.logs.filter(({ msg }) => String(msg).includes('goes on where'));
      expect(goesOn, resumed!.describe()).toMatchObject({ round: 1 });
      expect(Number(goesOn?.step)).toBeGreaterThanOrEqual(killedAt);
      expect(Number(goesOn?.step)).toBeLessThan(STEPS);
      const shas = ({ rounds }: RunJson): string[] => rounds.map(({ adapter }) => adapter.sha256);
      expect(shas(stormy)).toEqual(shas(calm));
      expect(new Set(shas(calm)).size).toBe(2);
      // What was kept is gone with the update.
      expect(readdirSync(join(folder, 'stormy', SILOS[0], 'training'))).toEqual([]);
    },
  );
});
