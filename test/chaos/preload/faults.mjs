// Loaded before the real command line (`node --import`), in worker threads too: a clock that jumps and a disk that is full, as a
// control file says. Nothing of this is in fedrot itself: production has no such hooks.
import fs from 'node:fs';
import { createRequire, syncBuiltinESMExports } from 'node:module';

const CONTROL = process.env.FEDROT_CHAOS_CONTROL;
const RealDate = Date;
const { readFileSync, appendFileSync } = fs;
let control = { offsetMs: 0, diskFull: 0 };

function refresh() {
  try {
    control = JSON.parse(readFileSync(CONTROL, 'utf8'));
  } catch {
    // It is being written: the next look finds it.
  }
}
refresh();
setInterval(refresh, 15).unref();

globalThis.Date = class Date extends RealDate {
  constructor(...parts) {
    if (parts.length === 0) super(RealDate.now() + control.offsetMs);
    else super(...parts);
  }
  static now() {
    return RealDate.now() + control.offsetMs;
  }
};

/** Throws as a full disk would, in the share of writes that the control file says; and notes that it did. */
function mayFail(code) {
  if (control.diskFull === 0 || Math.random() >= control.diskFull) return;
  appendFileSync(`${CONTROL}.hits`, `${code}\n`);
  throw Object.assign(new Error(`${code}: no space left on device, write`), { code });
}

const handle = await fs.promises.open(CONTROL, 'r');
const FileHandle = Object.getPrototypeOf(handle);
await handle.close();
for (const name of ['write', 'writeFile', 'sync', 'datasync']) {
  const real = FileHandle[name];
  FileHandle[name] = async function (...args) {
    mayFail('ENOSPC');
    return real.apply(this, args);
  };
}
const isLog = (target) => typeof target === 'number' && target <= 2;
for (const name of ['writeSync', 'writeFileSync', 'fsyncSync']) {
  const real = fs[name];
  fs[name] = (target, ...args) => {
    if (!isLog(target)) mayFail('ENOSPC');
    return real(target, ...args);
  };
}
const realWriteFile = fs.promises.writeFile;
fs.promises.writeFile = async (...args) => {
  mayFail('ENOSPC');
  return realWriteFile(...args);
};
syncBuiltinESMExports();

// The database writes by itself, below Node: it fails at the statements that write, commits included.
const Database = createRequire(new URL('../../../package.json', import.meta.url))('libsql');
const prepare = Database.prototype.prepare;
Database.prototype.prepare = function (sql) {
  if (/^\s*(insert|update|delete|commit)/i.test(sql)) mayFail('SQLITE_FULL');
  return prepare.call(this, sql);
};
