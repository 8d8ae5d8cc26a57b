import { mkdir, rm, statfs, writeFile } from 'node:fs/promises';
import { availableParallelism, freemem, totalmem } from 'node:os';
import { join } from 'node:path';
import type { ClientConfig } from '../../client/config.js';
import { formatBytes } from '../format.js';
import { fail, ok, warn, type Finding } from './finding.js';

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

/** Fewer bytes of disk than this hold hardly any bundle. */
const DISK_TIGHT = 2 * GIB;
const DISK_FULL = 256 * MIB;
/** BERT-base trains in about 1.9 GB (docs/performance-train.md). */
const MEMORY_TIGHT = 2 * GIB;

/** What a process may use: of the machine, or of the container where that is less. */
export function memoryBytes(): { readonly free: number; readonly total: number } {
  const limit = process.constrainedMemory();
  const total = limit > 0 && limit < totalmem() ? limit : totalmem();
  return { free: Math.min(freemem(), total - process.memoryUsage.rss()), total };
}

export async function checkRuntime(): Promise<Finding> {
  const here = `Node.js ${process.versions.node} on ${process.platform} ${process.arch}`;
  try {
    await import('../../train/ort.js');
  } catch (thrown) {
    const reason = thrown instanceof Error ? (thrown.message.split('\n')[0] ?? '') : String(thrown);
    return fail(
      'runtime',
      `${here}: ONNX Runtime does not load: ${reason}`,
      'install fedrot again on this machine (docs/platforms.md lists what is supported); on Alpine use a glibc image',
    );
  }
  return ok('runtime', `${here}, ONNX Runtime loads, ${availableParallelism()} cores`);
}

/** Whether the silo's folder can be written, and has room. */
export async function checkDisk({ folder, limits }: ClientConfig): Promise<Finding> {
  const probe = join(folder, `.doctor-${process.pid}`);
  try {
    await mkdir(folder, { recursive: true });
    await writeFile(probe, 'x');
    await rm(probe);
  } catch (thrown) {
    const { code = '', message } = thrown as NodeJS.ErrnoException;
    return fail(
      'disk',
      `${folder} cannot be written: ${message}`,
      code === 'ENOSPC'
        ? 'make room on its disk'
        : 'give the user of the daemon the right to write there, or set another `folder`',
    );
  }
  const { bavail, bsize } = await statfs(folder);
  const free = Math.min(bavail * bsize, limits.maxDiskBytes ?? Infinity);
  const said = `${folder} can be written; ${formatBytes(free)} may be used`;
  const advice =
    'a bundle takes about four bytes for each parameter of the model; make room or set another `folder`';
  if (free < DISK_FULL) return fail('disk', said, advice);
  return free < DISK_TIGHT ? warn('disk', said, advice) : ok('disk', said);
}

export function checkMemory({ limits }: ClientConfig, memory = memoryBytes()): Finding {
  const free = Math.min(memory.free, limits.maxMemoryBytes ?? Infinity);
  const said = `${formatBytes(free)} free of ${formatBytes(memory.total)}`;
  return free < MEMORY_TIGHT
    ? warn(
        'memory',
        said,
        'training a model of BERT-base size takes about 2 GB: close other programs, or agree on a smaller batch',
      )
    : ok('memory', said);
}
