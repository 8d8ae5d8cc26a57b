import { stat } from 'node:fs/promises';

/** So long after it was written a file is taken for what was written, ms. */
const TRUSTED_MS = 15 * 60_000;

interface Written {
  readonly stamp: string;
  readonly atMs: number;
}

/**
 * Files that this process hashed while it wrote them, and that nobody has touched since: whoever writes to a file, or puts another in its
 * place, changes its times or its number. They need not be read again to know what they are. After a restart, and when a disk has
 * had a quarter of an hour to forget, they are.
 */
export class WrittenFiles {
  readonly #known = new Map<string, Written>();

  /** `nowMs`: a steady clock. */
  constructor(private readonly nowMs: () => number = () => performance.now()) {}

  /** The file at this path has just been written, under its name. */
  async note(path: string): Promise<void> {
    const atMs = this.nowMs();
    for (const [other, { atMs: then }] of this.#known) {
      if (atMs - then < TRUSTED_MS) break; // the others are newer
      this.#known.delete(other);
    }
    const stamp = await stampOf(path);
    this.#known.delete(path);
    if (stamp !== undefined) this.#known.set(path, { stamp, atMs });
  }

  async untouched(path: string): Promise<boolean> {
    const known = this.#known.get(path);
    return (
      known !== undefined && this.nowMs() - known.atMs < TRUSTED_MS && (await stampOf(path)) === known.stamp
    );
  }
}

async function stampOf(path: string): Promise<string | undefined> {
  try {
    const { ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return [ino, size, mtimeNs, ctimeNs].join(' ');
  } catch {
    return undefined;
  }
}
