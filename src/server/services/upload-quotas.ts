import { statfs } from 'node:fs/promises';
import type { Clock } from '../../clock.js';
import { FedrotError } from '../../errors.js';
import type { CoordinatorConfig } from '../config.js';

interface Use {
  streams: number;
  bytes: number;
  dayMs: number;
}

const DAY_MS = 86_400_000;

/** What one silo may upload at a time and in a day, and how much of the disk stays free. */
export class UploadQuotas {
  readonly #use = new Map<string, Use>();

  constructor(
    private readonly limits: CoordinatorConfig['limits'],
    private readonly clock: Clock,
    private readonly folder: string,
  ) {}

  /** Throws storage_full where the upload would take the last of the disk. */
  async requireSpace(bytes: number): Promise<void> {
    const { bavail, bsize } = await statfs(this.folder).catch(() => ({ bavail: Infinity, bsize: 1 }));
    if (bavail * bsize - bytes < this.limits.minFreeDiskBytes)
      throw new FedrotError(
        'storage_full',
        `the coordinator's disk is nearly full: ${bytes} bytes more would leave less than ${this.limits.minFreeDiskBytes}`,
      );
  }

  /** Runs an upload as one of the silo's. Throws quota_exceeded. */
  async within<T>(silo: string, work: (count: (bytes: number) => void) => Promise<T>): Promise<T> {
    const use = this.#of(silo);
    const { maxUploadsPerSilo, maxUploadBytesPerDay } = this.limits;
    if (use.streams >= maxUploadsPerSilo)
      throw new FedrotError(
        'quota_exceeded',
        `silo ${silo} has ${use.streams} uploads under way; ${maxUploadsPerSilo} are allowed at the same time`,
      );
    use.streams++;
    try {
      return await work((bytes) => {
        use.bytes += bytes;
        if (use.bytes > maxUploadBytesPerDay)
          throw new FedrotError(
            'quota_exceeded',
            `silo ${silo} has uploaded more than ${maxUploadBytesPerDay} bytes today`,
          );
      });
    } finally {
      use.streams--;
    }
  }

  #of(silo: string): Use {
    const now = this.clock.now();
    let use = this.#use.get(silo);
    if (use === undefined) {
      use = { streams: 0, bytes: 0, dayMs: now };
      this.#use.set(silo, use);
    }
    if (now - use.dayMs >= DAY_MS) {
      use.bytes = 0;
      use.dayMs = now;
    }
    return use;
  }
}
