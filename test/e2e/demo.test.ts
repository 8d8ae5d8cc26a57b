import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { readPeftAdapter } from '../../src/model/peft.js';
import { e2e } from '../support/e2e.js';
import type { Processes, TestProcess } from '../support/processes.js';
import { cachePath } from '../support/repo.js';

/** Small enough for every run of the tests; the real one is `npm run demo`. */
const SMALL = [
  '--silos',
  '2',
  '--rounds',
  '2',
  '--steps',
  '2',
  '--test-size',
  '50',
  '--cache',
  cachePath('demo'),
];

interface Summary {
  readonly method: string;
  readonly silos: readonly { readonly name: string; readonly examples: number }[];
  readonly initial_accuracy: number;
  readonly final_accuracy: number;
  readonly adapter_sha256: string;
  readonly rounds: readonly {
    readonly round: number;
    readonly accuracy: number;
    readonly updates: number;
    readonly bytes_received: number;
    readonly aggregation_error: number;
    readonly aggregation_error_fedit: number;
  }[];
}

const summaryIn = (out: string): Summary =>
  JSON.parse(readFileSync(join(out, 'summary.json'), 'utf8')) as Summary;

async function demo(processes: Processes, out: string, ...args: string[]): Promise<TestProcess> {
  return processes.run(['demo', ...SMALL, '--out', out, ...args], { timeoutMs: 170_000 });
}

/** Processes of this machine whose command line names a folder. */
function processesOf(folder: string): string[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
        return command.includes(folder) ? [`${pid}: ${command}`] : [];
      } catch {
        return []; // ended meanwhile
      }
    });
}

describe('fedrot demo', () => {
  e2e('writes what it promises, and the same again for the same seed', async ({ processes, folder }) => {
    const out = join(folder, 'first');
    const first = await demo(processes, out);
    expect(first.exit, first.describe()).toEqual({ code: 0, signal: null });

    const summary = summaryIn(out);
    expect(summary.method).toBe('fedrot');
    expect(summary.silos.map(({ name }) => name)).toEqual(['silo-1', 'silo-2']);
    for (const { name, examples } of summary.silos) {
      const lines = readFileSync(join(out, 'silos', name, 'train.jsonl'), 'utf8')
        .trimEnd()
        .split('\n');
      expect(lines).toHaveLength(examples);
      expect(examples).toBeGreaterThanOrEqual(20);
    }
    expect(summary.rounds.map(({ round, updates }) => [round, updates])).toEqual([
      [1, 2],
      [2, 2],
    ]);
    for (const round of summary.rounds) {
      expect(round.aggregation_error).toBeLessThanOrEqual(round.aggregation_error_fedit);
      expect(round.aggregation_error_fedit).toBeGreaterThan(0);
      expect(round.bytes_received).toBeGreaterThan(100_000);
      expect(round.accuracy * 50).toBeCloseTo(Math.round(round.accuracy * 50), 9);
    }
    expect(summary.final_accuracy).toBe(summary.rounds[1]?.accuracy);

    const file = join(out, 'adapter', 'adapter_model.safetensors');
    expect(createHash('sha256').update(readFileSync(file)).digest('hex')).toBe(summary.adapter_sha256);
    const adapter = await readPeftAdapter(join(out, 'adapter'));
    expect(adapter.settings).toMatchObject({ rank: 4, alpha: 16, targetModules: ['query', 'value'] });
    expect(adapter.tensors.canonical).toBe(true);
    adapter.tensors.close();
    expect(readFileSync(join(out, 'report.html'), 'utf8')).toContain('Aggregation error');
    // What the processes stored is gone, what explains them stays.
    expect(existsSync(join(out, 'state'))).toBe(false);
    expect(readdirSync(join(out, 'logs')).sort()).toEqual([
      'coordinator.log',
      'evaluator.log',
      'silo-1.log',
      'silo-2.log',
    ]);
    expect(processesOf(folder)).toEqual([]);

    const again = await demo(processes, join(folder, 'second'));
    expect(again.exit, again.describe()).toEqual({ code: 0, signal: null });
    expect(summaryIn(join(folder, 'second')).adapter_sha256).toBe(summary.adapter_sha256);
  });

  e2e('leaves nothing behind when it is interrupted', async ({ processes, folder }) => {
    const out = join(folder, 'out');
    const running = processes.start('demo', ['demo', ...SMALL, '--rounds', '500', '--out', out]);
    await running.line(/^before training/);
    expect(processesOf(out).length).toBeGreaterThanOrEqual(4);
    process.kill(running.pid, 'SIGINT');
    expect(await running.end()).toEqual({ code: 130, signal: null });
    expect(running.stderr.join('\n')).toMatch(/SIGINT: ending the demo's processes; logs in .*out\/logs/);
    expect(processesOf(folder)).toEqual([]);
    expect(existsSync(join(out, 'logs', 'coordinator.log'))).toBe(true);
  });

  e2e('says why it failed when one of its processes dies', async ({ processes, folder }) => {
    const out = join(folder, 'out');
    const running = processes.start('demo', ['demo', ...SMALL, '--rounds', '500', '--out', out]);
    await running.line(/^before training/);
    const coordinator = processesOf(out).find((line) => line.includes(' coordinator '));
    process.kill(Number.parseInt(coordinator ?? '', 10), 'SIGKILL');
    expect(await running.end()).toEqual({ code: 1, signal: null });
    expect(running.stderr.at(-1)).toMatch(/^fedrot: coordinator ended by SIGKILL.*; logs in .*out\/logs$/);
    expect(processesOf(folder)).toEqual([]);
  });

  e2e('its processes end when it is killed without a chance to clean up', async ({ processes, folder }) => {
    const out = join(folder, 'out');
    const running = processes.start('demo', ['demo', ...SMALL, '--rounds', '500', '--out', out]);
    await running.line(/^before training/);
    await running.kill9();
    await expect.poll(() => processesOf(folder), { timeout: 20_000 }).toEqual([]);
  });
});
