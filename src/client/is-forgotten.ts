import { stat } from 'node:fs/promises';

const MAX_AGE_MS = 14 * 86_400_000;

/** Whether a file or folder was written so long ago that it is of a run that went on without us. Throws where it is not there. */
export async function isForgotten(path: string, nowMs: number): Promise<boolean> {
  return nowMs - (await stat(path)).mtimeMs > MAX_AGE_MS;
}
