import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { FedrotError } from '../errors.js';
import { decodeUtf8 } from './utf8.js';
import type { SignedRoundManifest } from './round-manifest.js';
import { writeFailure } from './write-failure.js';

const FILE = /^round-(\d{6})\.json$/;

const nameOf = (round: number): string => `round-${String(round).padStart(6, '0')}.json`;

/** Where the manifest of a round lies, or will lie. */
export function roundPath(folder: string, round: number): string {
  return join(folder, nameOf(round));
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return decodeUtf8(await readFile(path), path);
  } catch (cause) {
    if (cause instanceof FedrotError) throw cause;
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new FedrotError('storage_failed', `${path}: cannot be read`, { cause });
  }
}

/**
 * Writes a round's file, `round-000001.json` in the run's folder; durable when it resolves. The same file again is fine: a
 * coordinator that was killed repeats its last step. Throws already_exists where another one is there.
 */
export async function writeRound(folder: string, round: SignedRoundManifest): Promise<string> {
  const path = join(folder, nameOf(round.manifest.round));
  const known = await readIfThere(path);
  if (known !== undefined && known !== round.text)
    throw new FedrotError('already_exists', `${path}: holds another manifest; evidence is never replaced`);
  if (known !== undefined) return path;
  const temporary = `${path}.tmp`;
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const file = await open(temporary, 'w', 0o644);
    try {
      await file.writeFile(round.text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    const directory = await open(folder, 'r');
    await directory.sync().finally(() => directory.close());
  } catch (cause) {
    await rm(temporary, { force: true });
    throw writeFailure(path, cause);
  }
  return path;
}

/** The texts of a run's rounds in order; none where there is no folder. A gap in the numbers is verifyChain's to find. */
export async function readRounds(folder: string): Promise<string[]> {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new FedrotError('storage_failed', `${folder}: cannot be read`, { cause });
  }
  const rounds = names.filter((name) => FILE.test(name)).sort();
  return Promise.all(
    rounds.map(async (name) => {
      const text = await readIfThere(join(folder, name));
      if (text === undefined) throw new FedrotError('not_found', `${join(folder, name)}: no such file`);
      return text;
    }),
  );
}
