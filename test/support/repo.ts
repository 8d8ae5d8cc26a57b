import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's root folder, with a separator at its end. */
export const repoRoot = fileURLToPath(new URL('../../', import.meta.url));

export const repoPath = (...parts: string[]): string => join(repoRoot, ...parts);

export const readRepoFile = (path: string): string => readFileSync(repoPath(path), 'utf8');

export const readRepoJson = (path: string): unknown => JSON.parse(readRepoFile(path));

/** A folder that git ignores, for what tests fetch or make and may keep. */
export function cachePath(...parts: string[]): string {
  mkdirSync(repoPath('.cache'), { recursive: true });
  return repoPath('.cache', ...parts);
}

/**
 * The workplace's shared folder (golden data, benchmarks), which is no part of the project: `../shared`, or where
 * FEDROT_SHARED says. Undefined where it is absent; tests that need it then skip, and say so with `sharedMissing`.
 */
export const sharedRoot: string | undefined = [
  process.env.FEDROT_SHARED,
  resolve(repoRoot, '../shared'),
].find((folder): folder is string => folder !== undefined && existsSync(folder));

export const sharedMissing = 'needs the shared data folder: put it at ../shared, or set FEDROT_SHARED';
