import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test as base } from 'vitest';
import { Processes } from './processes.js';

/**
 * `test` with a folder and processes of its own:
 *
 *   e2e('a silo joins', async ({ processes, folder }) => { … });
 *
 * Afterwards every process must end on SIGTERM and leave none behind, or the test fails. The folder is kept where the
 * test fails and FEDROT_KEEP is set.
 */
export const e2e = base.extend<{ processes: Processes; folder: string }>({
  folder: async ({ task }, use) => {
    const folder = await mkdtemp(join(tmpdir(), 'fedrot-e2e-'));
    await use(folder);
    if (task.result?.state === 'fail' && process.env.FEDROT_KEEP) console.error(`kept: ${folder}`);
    else await rm(folder, { recursive: true, force: true });
  },
  // Asking for the folder has it made first and removed last.
  processes: async ({ folder: _ }, use) => {
    const processes = new Processes();
    try {
      await use(processes);
    } finally {
      await processes.dispose();
    }
  },
});

/** A TCP port that was free a moment ago, for a server that must come back at the same address after a kill. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
