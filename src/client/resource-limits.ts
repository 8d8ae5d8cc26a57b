import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../clock.js';
import { FedrotError } from '../errors.js';
import { HOURS, type ClientConfig } from './config.js';
import type { Abandonment } from './task-board.js';

const WATCH_MS = 1000;

/** Minutes since midnight, local time. */
function minuteOfDay(timeMs: number): number {
  const time = new Date(timeMs);
  return time.getHours() * 60 + time.getMinutes();
}

/** Whether a time lies within HH:MM-HH:MM, which may go past midnight. The same time twice is the whole day. */
export function withinHours(hours: string, timeMs: number): boolean {
  const [, fromHour, fromMinute, toHour, toMinute] = (HOURS.exec(hours) ?? []).map(Number);
  const from = (fromHour ?? 0) * 60 + (fromMinute ?? 0);
  const to = (toHour ?? 0) * 60 + (toMinute ?? 0);
  const now = minuteOfDay(timeMs);
  return from < to ? now >= from && now < to : now >= from || now < to;
}

/** Bytes of all files below a folder. */
async function folderBytes(folder: string): Promise<number> {
  let sum = 0;
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) sum += await folderBytes(path);
    else if (entry.isFile())
      sum += await stat(path).then(
        ({ size }) => size,
        () => 0,
      );
  }
  return sum;
}

/** What the daemon may take of the machine beside threads. */
export class ResourceLimits {
  constructor(
    private readonly limits: ClientConfig['limits'],
    private readonly folder: string,
    private readonly clock: Clock,
    private readonly memoryBytes: () => number = () => process.memoryUsage.rss(),
  ) {}

  /** Throws precondition_failed outside the allowed hours. */
  requireHours(): void {
    const reason = this.#outOfHours();
    if (reason !== undefined) throw new FedrotError('precondition_failed', reason);
  }

  /** Throws storage_full where so much more would not fit. */
  async requireDisk(bytes = 0): Promise<void> {
    const { maxDiskBytes } = this.limits;
    if (maxDiskBytes === undefined) return;
    const used = await folderBytes(this.folder);
    if (used + bytes > maxDiskBytes)
      throw new FedrotError(
        'storage_full',
        `${this.folder} holds ${used} bytes and ${bytes} more are needed; limits.maxDiskBytes is ${maxDiskBytes}`,
      );
  }

  /** Aborts (with an Abandonment) when memory or hours are used up, until `stop`. */
  watch(): { readonly signal: AbortSignal; readonly stop: () => void } {
    const controller = new AbortController();
    let stop: () => void = () => undefined;
    const look = (): void => {
      const reason = this.#outOfHours() ?? this.#outOfMemory();
      if (reason === undefined) stop = this.clock.after(WATCH_MS, look);
      else controller.abort({ reason, tell: true } satisfies Abandonment);
    };
    if (this.limits.hours !== undefined || this.limits.maxMemoryBytes !== undefined) look();
    return { signal: controller.signal, stop: () => stop() };
  }

  #outOfHours(): string | undefined {
    const { hours } = this.limits;
    return hours === undefined || withinHours(hours, this.clock.now())
      ? undefined
      : 'the silo works at certain hours only, and this is none of them';
  }

  #outOfMemory(): string | undefined {
    const { maxMemoryBytes } = this.limits;
    return maxMemoryBytes === undefined || this.memoryBytes() <= maxMemoryBytes
      ? undefined
      : 'the task needs more memory than the silo allows';
  }
}
