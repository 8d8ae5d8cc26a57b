import { appendFile, mkdtemp, readFile, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WrittenFiles } from '../../../src/server/spool/written-files.js';

let folder: string;
let path: string;
let nowMs = 0;
let files: WrittenFiles;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fedrot-written-'));
  path = join(folder, 'update');
  await writeFile(path, 'as it came');
  // As long ago as an upload's last write is when it gets its name.
  await utimes(path, new Date(1000), new Date(1000));
  nowMs = 0;
  files = new WrittenFiles(() => nowMs);
  await files.note(path);
});
afterEach(() => rm(folder, { recursive: true }));

describe('a file that was hashed while it was written', () => {
  it('is known until somebody touches it', async () => {
    expect(await files.untouched(path)).toBe(true);
    await readFile(path);
    expect(await files.untouched(path)).toBe(true);
    expect(await files.untouched(join(folder, 'another'))).toBe(false);
  });

  it.each([
    ['written to, with the same length', () => writeFile(path, 'as it cane')],
    ['appended to', () => appendFile(path, '!')],
    [
      'replaced by one of the same size and time',
      async () => {
        await writeFile(`${path}-2`, 'as it cane');
        await utimes(`${path}-2`, new Date(1000), new Date(1000));
        await rename(`${path}-2`, path);
      },
    ],
    [
      'written to, and its time set back',
      async () => {
        await writeFile(path, 'as it cane');
        await utimes(path, new Date(1000), new Date(1000));
      },
    ],
    ['removed', () => rm(path)],
  ])('is not any more when it is %s', async (_, touch) => {
    await new Promise((resolve) => setTimeout(resolve, 20)); // beyond one tick of a file system's clock
    await touch();
    expect(await files.untouched(path)).toBe(false);
  });

  it('nor when a disk has had time to forget, nor in another process', async () => {
    nowMs = 15 * 60_000;
    expect(await files.untouched(path)).toBe(false);
    expect(await new WrittenFiles(() => 0).untouched(path)).toBe(false);
  });
});
