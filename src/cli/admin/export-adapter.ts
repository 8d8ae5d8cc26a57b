import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OwnFactors } from '../../client/own-factors.js';
import { siloFolders } from '../../client/silo-folders.js';
import { withOwn } from '../../client/fit-task.js';
import { FedrotError } from '../../errors.js';
import type { LoraSpec } from '../../run-spec.js';
import { encodeTensorFile } from '../../tensor/encode-file.js';
import { readTensors } from '../../tensor/read-tensors.js';
import { openTensorFile, type TensorFile } from '../../tensor/safetensors-file.js';
import type { AdminClient } from './connect.js';
import { fetchAdapter } from './fetch-adapter.js';
import { summedAdapter } from './summed-adapter.js';

export interface ExportOptions {
  readonly version: number;
  readonly lora: LoraSpec;
  /** Best approximation of this rank; default exact, whatever the rank. Only where versions merge into the base. */
  readonly rank?: number | undefined;
  /** Folder of a silo, whose own factors take the place of the published ones (fedsa). */
  readonly silo?: string | undefined;
}

export interface ExportedAdapter {
  /** A canonical safetensors file: the published one, unless something was added. */
  readonly bytes: Buffer;
  readonly sha256: string;
  readonly settings: LoraSpec;
  /** How many merge files it sums. */
  readonly merges: number;
}

/**
 * A version as one adapter that works on the untouched base model, whatever the method (docs/methods.md). Throws not_found,
 * option_invalid for options that the run has no use for.
 */
export async function exportAdapter(
  admin: AdminClient,
  runId: string,
  { version, lora, rank, silo }: ExportOptions,
): Promise<ExportedAdapter> {
  const published = await fetchAdapter(admin, runId, version);
  const { adapters } = await admin.listAdapters({ runId });
  const merging = adapters.filter(({ version: at, merge }) => merge && at <= version);
  if (merging.length === 0 && rank !== undefined)
    throw new FedrotError(
      'option_invalid',
      `--rank: version ${version} of run ${runId} has merged nothing, its adapter has rank ${lora.rank}`,
    );
  if (silo !== undefined)
    return { ...(await personal(published.bytes, runId, silo)), settings: lora, merges: 0 };
  if (merging.length === 0) return { ...published, settings: lora, merges: 0 };
  return inScratch(async (open) => {
    const merges: TensorFile[] = [];
    for (const { version: at } of merging)
      merges.push(open((await fetchAdapter(admin, runId, at, 'ADAPTER_PART_MERGE')).bytes));
    const { tensors, settings } = summedAdapter(merges, open(published.bytes), lora, rank);
    return { ...encodeTensorFile(tensors), settings, merges: merges.length };
  });
}

async function personal(
  bytes: Buffer,
  runId: string,
  silo: string,
): Promise<{ bytes: Buffer; sha256: string }> {
  const own = await new OwnFactors(siloFolders(silo).own).load(runId);
  if (own.length === 0)
    throw new FedrotError(
      'not_found',
      `${silo}: has no factors of its own for run ${runId}; only methods that keep some on the silo (fedsa) make them`,
    );
  return inScratch((open) => {
    return Promise.resolve(encodeTensorFile(withOwn(readTensors(open(bytes)), own)));
  });
}

/** Opens tensor files from their bytes, one tensor at a time, by way of a folder that is removed at the end. */
async function inScratch<T>(work: (open: (bytes: Buffer) => TensorFile) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'fedrot-export-'));
  const files: TensorFile[] = [];
  try {
    return await work((bytes) => {
      const path = join(folder, `${files.length}.safetensors`);
      writeFileSync(path, bytes, { mode: 0o600 });
      const file = openTensorFile(path);
      files.push(file);
      return file;
    });
  } finally {
    for (const file of files) file.close();
    rmSync(folder, { recursive: true, force: true });
  }
}
