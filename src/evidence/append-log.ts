import { mkdir, open, readFile, writeFile, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { asFedrotError, FedrotError } from '../errors.js';
import type { Clock } from '../clock.js';
import { decodeUtf8 } from './utf8.js';
import { EMPTY_LOG, nextLine, readLine, type LogHead } from './log-entry.js';
import { writeFailure } from './write-failure.js';

export interface OpenedLog {
  readonly log: AppendLog;
  /** What a crash in the middle of a write left behind the last whole line: moved to this file. */
  readonly torn?: { readonly bytes: number; readonly savedAs: string };
}

interface Waiting {
  readonly line: string;
  readonly head: LogHead;
  readonly resolve: (head: LogHead) => void;
  readonly reject: (error: FedrotError) => void;
}

/**
 * A hash-chained log in a file (log-entry.ts) that only grows. One process writes it; what else was written to it is
 * noticed at the next entry. Entries that come while one is being written go to disk together.
 */
export class AppendLog {
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #clock: Clock;
  /** The end, with what is still being written. */
  #head: LogHead;
  #durable: LogHead;
  #bytes: number;
  #waiting: Waiting[] = [];
  /** True from a batch's first write to the moment that nothing waits; never a turn longer, or an entry would be left lying. */
  #busy = false;
  #writing: Promise<void> = Promise.resolve();
  #failure: FedrotError | undefined;

  private constructor(path: string, file: FileHandle, clock: Clock, head: LogHead, bytes: number) {
    this.#path = path;
    this.#file = file;
    this.#clock = clock;
    this.#head = head;
    this.#durable = head;
    this.#bytes = bytes;
  }

  /**
   * Opens a log, or begins one (mode 0600), and verifies all of it. A last line without its end is a torn write: it is
   * completed where only the line break is missing, else moved aside. Throws storage_corrupt where a whole line does not
   * hold, naming it: nothing is appended to a log that was changed.
   */
  static async open(path: string, clock: Clock): Promise<OpenedLog> {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const file = await open(path, 'a', 0o600);
    try {
      const text = await readFile(path);
      const end = text.lastIndexOf(0x0a) + 1;
      let head = EMPTY_LOG;
      for (const line of decodeUtf8(text.subarray(0, end), path).split('\n').slice(0, -1))
        head = readLine(line, head, path);
      const rest = text.subarray(end);
      if (rest.length === 0) return { log: new AppendLog(path, file, clock, head, end) };
      const whole = wholeLine(rest, head, path);
      if (whole) {
        await file.appendFile('\n');
        await file.sync();
        return { log: new AppendLog(path, file, clock, whole, text.length + 1) };
      }
      const savedAs = `${path}.torn-${clock.now()}`;
      await writeFile(savedAs, rest, { mode: 0o600 });
      await file.truncate(end);
      await file.sync();
      return { log: new AppendLog(path, file, clock, head, end), torn: { bytes: rest.length, savedAs } };
    } catch (cause) {
      await file.close();
      throw cause;
    }
  }

  /** The newest entry that is on disk. */
  get head(): LogHead {
    return this.#durable;
  }

  /** Appends an entry; resolves when it is on disk. Throws storage_failed, storage_full, storage_corrupt; then nothing more can be appended. */
  append(body: Readonly<Record<string, unknown>>): Promise<LogHead> {
    if (this.#failure) return Promise.reject(this.#failure);
    let next: ReturnType<typeof nextLine>;
    try {
      next = nextLine(this.#head, body, this.#clock.now());
    } catch (thrown) {
      return Promise.reject(asFedrotError(thrown));
    }
    this.#head = next.head;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ...next, resolve, reject });
      if (!this.#busy) this.#writing = this.#writeAll();
    });
  }

  /** Waits for what is being written, then closes the file. */
  async close(): Promise<void> {
    await this.#writing;
    this.#failure ??= new FedrotError('storage_failed', `${this.#path}: the log is closed`);
    await this.#file.close();
  }

  async #writeAll(): Promise<void> {
    this.#busy = true;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      try {
        await this.#write(batch.map(({ line }) => `${line}\n`).join(''));
      } catch (thrown) {
        this.#failure = writeFailure(this.#path, thrown);
        for (const { reject } of [...batch, ...this.#waiting]) reject(this.#failure);
        this.#waiting = [];
        break;
      }
      for (const { head, resolve } of batch) {
        this.#durable = head;
        resolve(head);
      }
    }
    this.#busy = false;
  }

  async #write(text: string): Promise<void> {
    const { size } = await this.#file.stat();
    if (size !== this.#bytes)
      throw new FedrotError(
        'storage_corrupt',
        `${this.#path}: has ${size} bytes, ${this.#bytes} were written: somebody else writes to this log`,
      );
    const bytes = Buffer.from(text);
    await this.#file.appendFile(bytes);
    await this.#file.datasync();
    this.#bytes += bytes.length;
  }
}

function wholeLine(line: Uint8Array, head: LogHead, path: string): LogHead | undefined {
  try {
    const { seq, hash } = readLine(decodeUtf8(line, path), head, path);
    return { seq, hash };
  } catch {
    return undefined;
  }
}
