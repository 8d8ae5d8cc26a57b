import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'libsql';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { storageError } from '../../../src/server/store/storage-error.js';
import { openSqliteStore } from '../../../src/server/store/sqlite.js';
import { storeContract } from './contract.js';

storeContract('SQLite', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fedrot-store-'));
  return {
    open: () => openSqliteStore(folder),
    reopen: async (store) => {
      await store.close();
      return openSqliteStore(folder);
    },
    tearDown: () => rm(folder, { recursive: true }),
  };
});

describe('the SQLite file', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fedrot-store-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('keeps a write-ahead log', async () => {
    const store = await openSqliteStore(folder);
    const other = new Database(join(folder, 'fedrot.sqlite'));
    expect(other.pragma('journal_mode')).toEqual([{ journal_mode: 'wal' }]);
    other.close();
    await store.close();
  });

  it('belongs to one coordinator at a time', async () => {
    const store = await openSqliteStore(folder);
    await expect(openSqliteStore(folder)).rejects.toMatchObject({ code: 'already_exists' });
    await store.close();
    await (await openSqliteStore(folder)).close();
  });

  it('is refused when it is no database, with its path', async () => {
    await writeFile(join(folder, 'fedrot.sqlite'), 'not a database at all'.repeat(1000));
    const opened = openSqliteStore(folder);
    await expect(opened).rejects.toMatchObject({ code: 'storage_corrupt' });
    await expect(opened).rejects.toThrow('fedrot.sqlite');
  });

  it('is refused when a newer fedrot has written it', async () => {
    await (await openSqliteStore(folder)).close();
    const other = new Database(join(folder, 'fedrot.sqlite'));
    other.exec(`INSERT INTO kysely_migration VALUES ('9999-from-the-future', '2030-01-01')`);
    other.close();
    const opened = openSqliteStore(folder);
    await expect(opened).rejects.toMatchObject({ code: 'precondition_failed' });
    await expect(opened).rejects.toThrow('newer version');
  });

  it('cannot be opened in a folder that is not there', async () => {
    await expect(openSqliteStore(join(folder, 'missing'))).rejects.toMatchObject({ code: 'storage_failed' });
  });
});

describe('storageError', () => {
  it.each([
    ['ENOSPC', 'storage_full'],
    ['EDQUOT', 'storage_full'],
    ['SQLITE_FULL', 'storage_full'],
    ['EROFS', 'storage_failed'],
    ['EIO', 'storage_failed'],
    ['SQLITE_IOERR_WRITE', 'storage_failed'],
    ['SQLITE_CORRUPT_VTAB', 'storage_corrupt'],
  ])('%s is %s', (errno, code) => {
    const error = storageError(Object.assign(new TypeError('x'), { code: errno }), 'storing an update');
    expect(error).toMatchObject({ code });
    expect(error.message).toContain('storing an update');
  });
});
