import { setTimeout as sleep } from 'node:timers/promises';
import { FedrotError } from '../../errors.js';
import { workerUrl } from '../../worker-url.js';
import { outcomeOf } from '../threads/answer.js';
import { KeptThread, type ThreadSettings } from '../threads/kept-thread.js';
import type { Answer, Call, CallName, UploadCalls } from './upload-calls.js';
import { isOfDisk, openUpload, type Received, type Upload, type UploadPlace } from './upload-file.js';

const WORKER = workerUrl(import.meta.url, './upload-worker.js');
/** Chunks of an upload that are being worked on: one while the next is on its way. */
const AT_ONCE = 2;
/** So long uploads that were cut have to make durable what has come when the coordinator stops. */
const LAST_MS = 2000;

interface Waiting {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: FedrotError) => void;
}

type Ask = <N extends CallName>(
  name: N,
  args: Parameters<UploadCalls[N]>,
  give?: ArrayBuffer,
) => ReturnType<UploadCalls[N]>;

export interface UploadThreadOptions extends Partial<ThreadSettings> {
  /** Called with why, where the thread dies of itself. */
  readonly onDeath?: (cause: Error) => void;
}

/**
 * A thread that hashes, checks and writes what comes of uploads: that is a third of what an upload takes of the event loop, and what
 * comes at 200 MB/s would otherwise be garbage of the main thread. Several uploads at a time.
 */
export class UploadThread {
  readonly #thread: KeptThread;
  #closed = false;
  #seq = 0;
  #uploads = 0;
  readonly #open = new Set<number>();
  readonly #waiting = new Map<number, Waiting>();

  constructor({ onDeath, url = WORKER, ...settings }: UploadThreadOptions = {}) {
    this.#thread = new KeptThread(
      { url, ...settings },
      {
        onMessage: (message) => {
          const answer = message as Answer;
          this.#waiting.get(answer.seq)?.resolve(answer);
          this.#waiting.delete(answer.seq);
        },
        onDeath: (cause) => {
          onDeath?.(cause);
          this.#fail(ended(cause));
        },
      },
    );
  }

  /**
   * As openUpload, and on the caller's own thread where none can be had. The upload's calls throw unavailable where the thread dies: what
   * it wrote can be continued.
   */
  async open(place: UploadPlace): Promise<Upload> {
    try {
      return await this.#openThere(place);
    } catch (thrown) {
      if (this.#closed || !(thrown instanceof FedrotError) || thrown.code !== 'unavailable') throw thrown;
      await this.#thread.nothingBefore();
      return openUpload(place);
    }
  }

  async #openThere(place: UploadPlace): Promise<Upload> {
    const upload = this.#uploads++;
    this.#open.add(upload);
    const over = (): void => {
      this.#open.delete(upload);
      if (this.#open.size === 0) this.#thread.rest();
    };
    try {
      await this.#thread.nothingBefore();
      if (this.#closed) throw ended();
      this.#thread.work();
      const { current } = this.#thread;
      const ask = async (name: CallName, args: readonly unknown[], give?: ArrayBuffer): Promise<unknown> => {
        if (this.#thread.current !== current) throw ended();
        return this.#ask({ upload, seq: this.#seq++, name, args } as unknown as Call, give);
      };
      await ask('open', [place]);
      return new ThreadUpload(ask as Ask, over);
    } catch (thrown) {
      over();
      throw thrown;
    }
  }

  /** Takes no more uploads; resolves when those that are open are over, or time is up, and the thread has ended. */
  async close(): Promise<void> {
    this.#closed = true;
    const deadline = performance.now() + LAST_MS;
    while (this.#open.size > 0 && this.#thread.current !== undefined && performance.now() < deadline)
      await sleep(10);
    this.#thread.end();
    this.#fail(ended());
    await this.#thread.nothingBefore();
  }

  async #ask(call: Call, give: ArrayBuffer | undefined): Promise<unknown> {
    const answer = new Promise<Answer>((resolve, reject) => {
      this.#waiting.set(call.seq, { resolve, reject });
    });
    try {
      this.#thread.post(call, give === undefined ? [] : [give]);
    } catch (thrown) {
      this.#waiting.delete(call.seq);
      throw thrown;
    }
    return outcomeOf(await answer);
  }

  #fail(error: FedrotError): void {
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of waiting) reject(error);
  }
}

function ended(cause?: unknown): FedrotError {
  const message = 'the thread that takes uploads has ended; ask GetUploadStatus and continue there';
  return new FedrotError('unavailable', message, { cause });
}

class ThreadUpload implements Upload {
  readonly #under: Promise<void>[] = [];
  #told = false;

  constructor(
    private readonly ask: Ask,
    private readonly over: () => void,
  ) {}

  async take(offset: number, data: Uint8Array): Promise<void> {
    // A Buffer's own slice shares memory.
    const given = isWhole(data) ? data : Uint8Array.prototype.slice.call(data);
    const done = this.ask('take', [offset, given], given.buffer);
    // What became of it the next calls say.
    done.catch(() => undefined);
    this.#under.push(done);
    if (this.#under.length >= AT_ONCE) await this.#tell(this.#under.shift() ?? done);
  }

  finish(digest: Uint8Array): Promise<Received> {
    return this.#tell(this.ask('finish', [Uint8Array.from(digest)]));
  }

  async publish(path: string): Promise<void> {
    await this.#tell(this.ask('publish', [path]));
    this.over();
  }

  async suspend(): Promise<number> {
    const kept = await this.ask('suspend', []).finally(this.over);
    // A disk that was full just when the stream was cut: nobody has heard of it yet.
    if (!this.#told)
      await Promise.all(this.#under).catch((thrown: unknown) => {
        if (isOfDisk(thrown)) throw thrown;
      });
    return kept;
  }

  discard(): Promise<void> {
    return this.ask('discard', []).finally(this.over);
  }

  async #tell<T>(outcome: Promise<T>): Promise<T> {
    try {
      return await outcome;
    } catch (thrown) {
      this.#told = true;
      throw thrown;
    }
  }
}

/** Beyond the bytes themselves: a message's frame. */
const FRAME_BYTES = 4096;

/** Whether the memory that a chunk lies in holds little else, so that it can be given away; others are copied. */
function isWhole(data: Uint8Array): data is Uint8Array<ArrayBuffer> {
  const { buffer, length } = data;
  return buffer instanceof ArrayBuffer && length > FRAME_BYTES && buffer.byteLength < length + FRAME_BYTES;
}
