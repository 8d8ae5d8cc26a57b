import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { AppendLog } from '../../src/evidence/append-log.js';
import { openAuditLog, readLog, type AuditRecord } from '../../src/evidence/audit.js';
import { openJournal } from '../../src/evidence/journal.js';
import { nextLine, EMPTY_LOG, verifyLog } from '../../src/evidence/log-entry.js';
import type { Clock } from '../../src/clock.js';

/** Typed, where vitest says any. */
const matching = (pattern: RegExp): string => expect.stringMatching(pattern) as string;

let time = 1_700_000_000_000;
const clock: Clock = { now: () => time++, after: () => () => undefined };

function place(): string {
  const folder = mkdtempSync(join(tmpdir(), 'fedrot-log-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'audit.jsonl');
}

async function written(path: string, entries: number): Promise<string> {
  const { log } = await AppendLog.open(path, clock);
  await Promise.all(Array.from({ length: entries }, (_, n) => log.append({ n, text: 'zwölf €' })));
  await log.close();
  return readFileSync(path, 'utf8');
}

describe('appending', () => {
  test('entries come in the order of the calls, chained, on disk when told so; mode 0600', async () => {
    const path = place();
    const { log } = await AppendLog.open(path, clock);
    const heads = await Promise.all([1, 2, 3].map((n) => log.append({ n })));
    expect(heads.map(({ seq }) => seq)).toEqual([1, 2, 3]);
    expect(log.head).toEqual(heads[2]);
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { body: { n: number } }).body.n)).toEqual([1, 2, 3]);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await log.close();
    await expect(log.append({})).rejects.toMatchObject({ code: 'storage_failed' });
  });

  test('entries that come as soon as the one before is on disk are written too', async () => {
    const path = place();
    const { log } = await AppendLog.open(path, clock);
    for (let n = 0; n < 50; n++) await log.append({ n });
    await log.close();
    expect(verifyLog(readFileSync(path, 'utf8'))).toMatchObject({ ok: true, head: { seq: 50 } });
  });

  test('goes on after the log was opened again', async () => {
    const path = place();
    await written(path, 3);
    const { log, torn } = await AppendLog.open(path, clock);
    expect(torn).toBeUndefined();
    expect((await log.append({ n: 3 })).seq).toBe(4);
    await log.close();
    expect(verifyLog(readFileSync(path, 'utf8'))).toMatchObject({ ok: true, head: { seq: 4 } });
  });

  test('what has no canonical form is refused, and the log goes on', async () => {
    const { log } = await AppendLog.open(place(), clock);
    await expect(log.append({ n: Number.NaN })).rejects.toMatchObject({ code: 'manifest_invalid' });
    expect((await log.append({ n: 1 })).seq).toBe(1);
    await log.close();
  });

  test('somebody else who writes is noticed, and nothing more is appended', async () => {
    const path = place();
    const { log } = await AppendLog.open(path, clock);
    await log.append({ n: 1 });
    appendFileSync(path, 'x');
    await expect(log.append({ n: 2 })).rejects.toMatchObject({ code: 'storage_corrupt' });
    await expect(log.append({ n: 3 })).rejects.toMatchObject({ code: 'storage_corrupt' });
    expect(log.head.seq).toBe(1);
    await log.close();
  });
});

describe('after a crash in the middle of a write', () => {
  test('wherever the last line was cut, the lines before stay and the next one follows', async () => {
    const path = place();
    const whole = await written(path, 3);
    const start = Buffer.from(whole).lastIndexOf('\n', -2) + 1;
    const bytes = Buffer.from(whole);
    for (let end = start + 1; end < bytes.length; end += 7) {
      writeFileSync(path, bytes.subarray(0, end));
      const { log, torn } = await AppendLog.open(path, clock);
      expect(log.head.seq).toBe(2);
      expect(torn?.bytes).toBe(end - start);
      expect(readFileSync(torn!.savedAs)).toEqual(bytes.subarray(start, end));
      expect((await log.append({ again: true })).seq).toBe(3);
      await log.close();
      expect(verifyLog(readFileSync(path, 'utf8'))).toMatchObject({ ok: true });
    }
  });

  test('a line that lacks only its line break is kept', async () => {
    const path = place();
    writeFileSync(path, (await written(path, 3)).slice(0, -1));
    const { log, torn } = await AppendLog.open(path, clock);
    expect(torn).toBeUndefined();
    expect((await log.append({})).seq).toBe(4);
    await log.close();
    expect(verifyLog(readFileSync(path, 'utf8'))).toMatchObject({ ok: true, head: { seq: 4 } });
  });

  test('blocks of zeros, as a file system may leave them, are moved aside', async () => {
    const path = place();
    await written(path, 2);
    appendFileSync(path, Buffer.alloc(4096));
    const { log, torn } = await AppendLog.open(path, clock);
    expect(torn?.bytes).toBe(4096);
    await log.close();
  });
});

describe('tampering', () => {
  test('any single bit changed is found, in its line, and by the next start', async () => {
    const path = place();
    const bytes = Buffer.from(await written(path, 5));
    const lineOf = (at: number): number => bytes.subarray(0, at).filter((byte) => byte === 0x0a).length;
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 2), fc.nat(7), async (at, bit) => {
        const changed = Buffer.from(bytes);
        changed[at]! ^= 1 << bit;
        writeFileSync(path, changed);
        await expect(AppendLog.open(path, clock)).rejects.toMatchObject({ code: 'storage_corrupt' });
        const verdict = verifyLog(changed.toString('latin1'));
        expect(verdict).toMatchObject({ ok: false });
        expect(verdict.ok ? 0 : Math.abs(verdict.line - 1 - lineOf(at))).toBeLessThanOrEqual(lineOf(at));
      }),
      { numRuns: 300 },
    );
  });

  test.each([
    ['removed', (lines: string[]) => lines.toSpliced(1, 1), 2],
    ['exchanged', (lines: string[]) => [lines[0]!, lines[2]!, lines[1]!], 2],
    ['twice', (lines: string[]) => lines.toSpliced(1, 0, lines[0]!), 2],
    ['added', (lines: string[]) => [...lines, nextLine(EMPTY_LOG, {}, 1).line], 4],
  ])('a line %s', async (_label, change, line) => {
    const path = place();
    const lines = (await written(path, 3)).trimEnd().split('\n');
    const text = change(lines)
      .map((entry) => `${entry}\n`)
      .join('');
    expect(verifyLog(text)).toMatchObject({
      ok: false,
      line,
      message: matching(/does not continue/),
    });
    writeFileSync(path, text);
    await expect(AppendLog.open(path, clock)).rejects.toThrow(`line ${line}`);
    expect(existsSync(`${path}.torn`)).toBe(false);
  });

  test('a log that was cut, or made anew in one piece, is told by the heads that were signed', async () => {
    const path = place();
    const text = await written(path, 3);
    const head = verifyLog(text);
    const anchors = head.ok ? [head.head] : [];
    const cut = text.slice(0, text.lastIndexOf('\n', text.length - 2) + 1);
    expect(verifyLog(cut)).toMatchObject({ ok: true });
    expect(verifyLog(cut, anchors)).toMatchObject({
      ok: false,
      message: matching(/line 3 was signed for/),
    });
    const other = await written(place(), 3);
    expect(verifyLog(other)).toMatchObject({ ok: true });
    expect(verifyLog(other, anchors)).toMatchObject({ ok: false, line: 3 });
    expect(verifyLog(text, anchors)).toMatchObject({ ok: true });
  });
});

describe('what is written', () => {
  test('the audit log takes what it knows, and gives it back', async () => {
    const path = place();
    const { audit } = await openAuditLog(path, clock);
    const act: AuditRecord = {
      actor: 'operator:ada',
      action: 'token.create',
      object: 'silo:a',
      outcome: 'ok',
      peer: '10.0.0.1:5',
    };
    const head = await audit.record(act);
    expect(audit.head).toEqual(head);
    for (const bad of [
      { action: 'sing' },
      { actor: '' },
      { outcome: 'maybe' },
      { more: 1 },
      { detail: 'x'.repeat(2001) },
    ])
      await expect(audit.record({ ...act, ...bad } as AuditRecord)).rejects.toMatchObject({
        code: 'option_invalid',
      });
    await audit.close();
    const entries = [];
    for await (const entry of readLog(path)) entries.push(entry);
    expect(entries).toMatchObject([{ seq: 1, body: act, hash: head.hash }]);
  });

  test('the journal of a silo', async () => {
    const path = place();
    const { journal } = await openJournal(path, clock);
    const sent = {
      kind: 'update',
      event: 'begin',
      coordinator: 'fedrot.example:8443',
      run: 'mails',
      round: 3,
      sha256: 'ab'.repeat(32),
      bytes: 4096,
    } as const;
    await journal.record(sent);
    await expect(journal.record({ ...sent, sha256: 'x' })).rejects.toMatchObject({ code: 'option_invalid' });
    await journal.close();
    expect((await readLog(path).next()).value).toMatchObject({ body: sent });
  });

  test('a line that is being written is not read yet; a changed one is an error; no log is an error', async () => {
    const path = place();
    const text = await written(path, 2);
    writeFileSync(path, text + '{"half');
    const seqs: number[] = [];
    for await (const { seq } of readLog(path)) seqs.push(seq);
    expect(seqs).toEqual([1, 2]);
    writeFileSync(path, text.replace('zwölf', 'zwolf'));
    await expect(readLog(path).next()).rejects.toMatchObject({ code: 'storage_corrupt' });
    await expect(readLog(`${path}x`).next()).rejects.toMatchObject({ code: 'not_found' });
  });
});
