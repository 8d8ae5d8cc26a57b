// One process at a time: `npm test` and `npm run demo` in two terminals must not install or build over each other.
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

const POLL_MS = 200;
/** Nothing that holds the lock takes so long; a process id may have been given out again since. */
const STALE_MS = 15 * 60_000;
const sleep = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** Waits for the lock, calls `work` and gives the lock back. A lock whose holder has died is taken over. */
export function withLock(file, work, onWait = () => {}) {
  mkdirSync(dirname(file), { recursive: true });
  for (let waited = false; ; waited = true) {
    try {
      writeFileSync(file, String(process.pid), { flag: 'wx' });
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    const { holder, ageMs } = readLock(file);
    if (ageMs > STALE_MS || (holder !== undefined && !isAlive(holder))) rmSync(file, { force: true });
    else {
      if (!waited) onWait(holder);
      sleep(POLL_MS);
    }
  }
  // A signal ends the process without `finally`, so the next one finds a dead holder and takes over.
  try {
    return work();
  } finally {
    rmSync(file, { force: true });
  }
}

/** The holder is undefined while the file is still being written, or has just gone. */
function readLock(file) {
  try {
    const pid = Number(readFileSync(file, 'utf8'));
    return {
      holder: Number.isSafeInteger(pid) && pid > 0 ? pid : undefined,
      ageMs: Date.now() - statSync(file).mtimeMs,
    };
  } catch {
    return { holder: undefined, ageMs: 0 };
  }
}
