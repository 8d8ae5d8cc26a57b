// Loaded before the real command line (`node --import`), in worker threads too: a clock that jumps and a disk that is full or read-only, as
// a control file says. Nothing of this is in fedrot itself: production has no such hooks.
import fs from 'node:fs';
import { createRequire, syncBuiltinESMExports } from 'node:module';

const CONTROL = process.env.FEDROT_CHAOS_CONTROL;
const RealDate = Date;
const { readFileSync, openSync, writeSync, closeSync } = fs;
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

/** What file system and database say of a disk that is full, or mounted read-only. */
const SAYS = {
  full: { file: 'ENOSPC', database: 'SQLITE_FULL', words: 'no space left on device' },
  'read-only': { file: 'EROFS', database: 'SQLITE_READONLY', words: 'read-only file system' },
};

/** Throws as such a disk would, in the share of writes that the control file says; and notes that it did. */
function mayFail(where) {
  if (control.diskFull === 0 || Math.random() >= control.diskFull) return;
  const { [where]: code, words } = SAYS[control.disk ?? 'full'];
  // By the real functions: appendFileSync goes through writeFileSync, which fails itself.
  const hits = openSync(`${CONTROL}.hits`, 'a');
  writeSync(hits, `${code} ${RealDate.now()}\n`);
  closeSync(hits);
  throw Object.assign(new Error(`${code}: ${words}, write`), { code });
}

const handle = await fs.promises.open(CONTROL, 'r');
const FileHandle = Object.getPrototypeOf(handle);
await handle.close();
for (const name of ['write', 'writeFile', 'sync', 'datasync']) {
  const real = FileHandle[name];
  FileHandle[name] = async function (...args) {
    mayFail('file');
    return real.apply(this, args);
  };
}
const isLog = (target) => typeof target === 'number' && target <= 2;
for (const name of ['writeSync', 'writeFileSync', 'fsyncSync']) {
  const real = fs[name];
  fs[name] = (target, ...args) => {
    if (!isLog(target)) mayFail('file');
    return real(target, ...args);
  };
}
const realWriteFile = fs.promises.writeFile;
fs.promises.writeFile = async (...args) => {
  mayFail('file');
  return realWriteFile(...args);
};
syncBuiltinESMExports();

// The database writes by itself, below Node: it fails at the statements that write, commits included.
const Database = createRequire(new URL('../../../package.json', import.meta.url))('libsql');
const prepare = Database.prototype.prepare;
Database.prototype.prepare = function (sql) {
  if (/^\s*(insert|update|delete|commit)/i.test(sql)) mayFail('database');
  return prepare.call(this, sql);
};
