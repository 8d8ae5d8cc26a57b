import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { e2e } from '../support/e2e.js';
import { Processes, type TestProcess } from '../support/processes.js';

/** A child that does what its source says. */
async function node(folder: string, processes: Processes, source: string): Promise<TestProcess> {
  const script = join(folder, 'child.mjs');
  await writeFile(script, source);
  return processes.start('child', [], { script });
}

e2e('collects logs and lines, and the end', async ({ processes, folder }) => {
  const child = await node(
    folder,
    processes,
    `console.log('port 42'); console.error(JSON.stringify({ msg: 'ready', port: 7 })); console.error('not json');
     setTimeout(() => process.exit(3), 50);`,
  );
  expect((await child.log(/^ready$/)).port).toBe(7);
  expect((await child.line(/^port (\d+)$/))[1]).toBe('42');
  expect(await child.end()).toEqual({ code: 3, signal: null });
  expect(child.stderr).toContain('not json');
});

e2e(
  'an end or a silence that a test did not expect shows what was printed',
  async ({ processes, folder }) => {
    const ends = await node(folder, processes, `console.error('the reason'); process.exit(1)`);
    await expect(ends.log(/ready/)).rejects.toThrow(/ended while a test waited for log line[^]*the reason/);
    const hangs = await node(folder, processes, `console.error('still here'); setInterval(() => {}, 1000)`);
    await hangs.until('output', () => hangs.stderr.length > 0);
    await expect(hangs.log(/ready/, { timeoutMs: 50 })).rejects.toThrow(/within 50 ms[^]*still here/);
  },
);

e2e('kill -9 is final', async ({ processes, folder }) => {
  const child = await node(folder, processes, `process.on('SIGTERM', () => {}); setInterval(() => {}, 1000)`);
  await child.kill9();
  expect(child.exit).toEqual({ code: null, signal: 'SIGKILL' });
  expect(child.alive).toBe(false);
});

e2e('a process that leaves a child behind is a leak', async ({ folder }) => {
  const processes = new Processes();
  const parent = await node(
    folder,
    processes,
    `import { spawn } from 'node:child_process';
     spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' }).unref();
     console.log('started'); setTimeout(() => process.exit(0), 100);`,
  );
  await parent.end();
  await expect(processes.dispose()).rejects.toThrow(/left children behind/);
  expect(parent.alive).toBe(false);
});

e2e('a process that ignores SIGTERM is a leak', async ({ folder }) => {
  const processes = new Processes(300);
  const child = await node(
    folder,
    processes,
    `process.on('SIGTERM', () => {}); setInterval(() => {}, 1000); console.log('started');`,
  );
  await child.line(/started/);
  await expect(processes.dispose()).rejects.toThrow(/did not end on SIGTERM/);
  expect(child.alive).toBe(false);
});
