import { existsSync } from 'node:fs';
import { constants, copyFile, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { FedrotError } from '../../errors.js';
import { accessFolders } from '../access/open-access.js';
import { syncFolder } from '../spool/durable-file.js';
import { hashFile } from '../spool/hash-file.js';
import { DATABASE_FILE, readFacts, snapshotDatabase } from '../store/sqlite-snapshot.js';
import { storageError } from '../store/storage-error.js';
import { BACKUP_FILE, BACKUP_FORMAT, type BackupRecord } from './backup-record.js';

/**
 * A copy of a data folder as it is at one moment, while the coordinator works in it: first the database (VACUUM INTO), then every file
 * that this copy names. Those never change and are never replaced, so what is copied later belongs to the same moment. `target`
 * appears when all is there. Throws not_found, already_exists, storage_full, storage_failed, storage_corrupt.
 */
export async function backup(folder: string, target: string, nowMs: number): Promise<BackupRecord> {
  if (!existsSync(join(folder, DATABASE_FILE)))
    throw new FedrotError(
      'not_found',
      `${folder} is no data folder of a coordinator: it has no ${DATABASE_FILE}`,
    );
  if (existsSync(target))
    throw new FedrotError(
      'already_exists',
      `${target} is there already: a backup is never written over another`,
    );
  const partial = `${target}.partial`;
  try {
    await rm(partial, { recursive: true, force: true });
    await mkdir(partial, { recursive: true, mode: 0o700 });
    const record = await copyAll(folder, partial, nowMs);
    await writeFile(join(partial, BACKUP_FILE), `${JSON.stringify(record, null, 2)}\n`, { flush: true });
    await rename(partial, target);
    await syncFolder(dirname(target));
    return record;
  } catch (thrown) {
    await rm(partial, { recursive: true, force: true }).catch(() => undefined);
    throw storageError(thrown, `writing the backup ${target}`);
  }
}

async function copyAll(folder: string, partial: string, createdMs: number): Promise<BackupRecord> {
  snapshotDatabase(folder, join(partial, DATABASE_FILE));
  const facts = readFacts(partial);
  if (facts.damage.length > 0)
    throw new FedrotError(
      'storage_corrupt',
      `the database is damaged: ${facts.damage.slice(0, 3).join('; ')}`,
    );
  const files = new Map<string, { readonly sha256?: string; readonly mayBeGone: boolean }>();
  for (const { versions } of facts.runs)
    for (const sha256 of versions.flatMap((version) => version.files))
      files.set(join('tensors', `${sha256}.safetensors`), { sha256, mayBeGone: false });
  for (const { sha256, published } of facts.updates) {
    const name = join('tensors', `${sha256}.safetensors`);
    if (!files.has(name)) files.set(name, { sha256, mayBeGone: published });
  }
  for (const name of await companions(folder, facts.runs)) files.set(name, { mayBeGone: false });
  const record: Record<string, string> = {};
  for (const [name, { sha256, mayBeGone }] of [...files].sort()) {
    const copied = await copy(join(folder, name), join(partial, name), mayBeGone);
    if (copied === undefined) continue;
    if (sha256 !== undefined && copied !== sha256)
      throw new FedrotError(
        'storage_corrupt',
        `${name} was changed on the disk: run fedrot coordinator --check`,
      );
    record[name] = copied;
  }
  record[DATABASE_FILE] = (await hashFile(join(partial, DATABASE_FILE))) ?? '';
  return { format: BACKUP_FORMAT, createdMs, files: record };
}

/** What belongs to the data beside database and tensors: keys, revocations, the audit log, manifests of published rounds, bundles. */
async function companions(
  folder: string,
  runs: readonly { readonly runId: string; readonly versions: readonly unknown[] }[],
): Promise<readonly string[]> {
  const { pki, evidence, signers, audit } = accessFolders(folder);
  const listed = async (path: string): Promise<string[]> =>
    (await readdir(path, { recursive: true, withFileTypes: true }).catch(() => []))
      .filter((entry) => entry.isFile())
      .map((entry) => relative(folder, join(entry.parentPath, entry.name)));
  const manifests = runs.flatMap(({ runId, versions }) =>
    versions
      .slice(1)
      .map((_, index) =>
        join(relative(folder, evidence), runId, `round-${String(index + 1).padStart(6, '0')}.json`),
      ),
  );
  const bundles = (await listed(join(folder, 'bundles'))).filter((name) => !name.includes('.temp-'));
  const single = [signers, audit].filter((path) => existsSync(path)).map((path) => relative(folder, path));
  return [
    ...(await listed(pki)),
    ...single,
    ...manifests.filter((name) => existsSync(join(folder, name))),
    ...bundles,
  ];
}

/** Resolves with the copy's SHA-256; undefined where the file is gone and may be. */
async function copy(from: string, to: string, mayBeGone: boolean): Promise<string | undefined> {
  await mkdir(dirname(to), { recursive: true, mode: 0o700 });
  try {
    if (from.endsWith('.jsonl')) {
      // It grows: only whole lines.
      const bytes = await readFile(from);
      await writeFile(to, bytes.subarray(0, bytes.lastIndexOf(0x0a) + 1), { mode: 0o600, flush: true });
    } else await copyFile(from, to, constants.COPYFILE_FICLONE);
  } catch (thrown) {
    const gone = (thrown as NodeJS.ErrnoException).code === 'ENOENT';
    if (gone && mayBeGone) return undefined;
    if (gone) throw new FedrotError('storage_corrupt', `${from} is missing: run fedrot coordinator --check`);
    throw thrown;
  }
  return hashFile(to);
}
