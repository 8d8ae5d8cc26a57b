import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { clientConfigSchema, type ClientConfigInput } from '../../../src/client/config.js';
import { startClient, type ClientOptions, type RunningClient } from '../../../src/client/daemon.js';

/** A silo's daemon on a folder of its own, in this process. Ends with the test. */
export async function startSilo(
  folder: string,
  config: Partial<ClientConfigInput> & { readonly name: string; readonly coordinator: string },
  options: ClientOptions = {},
  lines = ['free offer', 'meeting tomorrow', 'win money now', 'the mail list'].map((text, index) =>
    JSON.stringify({ text, label: index % 2 === 0 ? 'spam' : 'ham' }),
  ),
): Promise<RunningClient> {
  mkdirSync(folder, { recursive: true });
  const train = join(folder, 'train.jsonl');
  writeFileSync(train, lines.map((line) => `${line}\n`).join(''));
  const client = await startClient(
    clientConfigSchema.parse({ data: { train }, folder, threads: 1, shutdownGraceMs: 0, ...config }),
    { retry: { initialMs: 50, maxMs: 200, factor: 2, maxAttempts: Infinity }, ...options },
  );
  onTestFinished(() => client.close());
  return client;
}

/** A run that a tiny bundle and one silo are enough for. */
export const tinySpec = (bundle: string, changes: object = {}) => ({
  name: 'tiny',
  bundle,
  task: { kind: 'text-classification', labels: ['ham', 'spam', 'neither'], maxTokens: 16 },
  lora: { rank: 2 },
  training: { localSteps: 2, batchSize: 2 },
  rounds: { count: 1, minSilos: 1, deadlineMs: 60_000, maxAttempts: 1 },
  evaluation: { every: 0 },
  ...changes,
});
