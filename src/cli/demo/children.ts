import { spawn, type ChildProcess } from 'node:child_process';
import { openSync, closeSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { FedrotError } from '../../errors.js';
import type { Environment } from '../env.js';
import { MAIN } from './main-file.js';

/** A child has so long to drain after SIGTERM before it is killed. */
const DRAIN_MS = 10_000;

interface Child {
  readonly name: string;
  readonly process: ChildProcess;
  readonly exited: Promise<void>;
}

interface LogLine {
  readonly level?: number;
  readonly msg?: string;
  readonly err?: { readonly message?: string };
}

const PINO_ERROR = 50;

/** The reason that a log ends with: its last plain line, or the message of its last error. */
export function reasonIn(log: string): string | undefined {
  const lines = log.trimEnd().split('\n').reverse();
  for (const line of lines) {
    if (line === '') continue;
    if (!line.startsWith('{')) return line.replace(/^fedrot: /, '');
    try {
      const { level = 0, msg = '', err } = JSON.parse(line) as LogLine;
      if (level >= PINO_ERROR) return err?.message === undefined ? msg : `${msg}: ${err.message}`;
    } catch {
      return line;
    }
  }
  return undefined;
}

/**
 * The demo's own processes: each one's log in a file, none outliving the demo. A child that ends by itself, whatever its exit
 * code, is a failure that `failed` rejects with. Their standard input is a pipe from here: when it closes, because
 * this process is gone however it went, they drain.
 */
export class Children {
  readonly #children: Child[] = [];
  readonly #logs: string;
  readonly #environment: Environment;
  #stopping = false;
  #fail: (error: FedrotError) => void = () => undefined;
  /** Never resolves. */
  readonly failed: Promise<never>;

  constructor(logs: string, environment: Environment) {
    this.#logs = logs;
    // The children have complete configuration files; what the user's shell says of other daemons is not for them.
    this.#environment = Object.fromEntries(
      Object.entries(environment).filter(([key]) => !key.startsWith('FEDROT_')),
    );
    this.failed = new Promise<never>((_, reject) => {
      this.#fail = reject;
    });
    this.failed.catch(() => undefined);
  }

  logOf(name: string): string {
    return join(this.#logs, `${name}.log`);
  }

  /** Starts `fedrot ARGS…`; resolves with its ready line, rejects where it ends before. */
  async start(name: string, args: readonly string[]): Promise<Readonly<Record<string, unknown>>> {
    const log = openSync(this.logOf(name), 'a');
    const process_ = spawn(process.execPath, [MAIN, ...args, '--json', '--stop-with-stdin'], {
      env: this.#environment,
      stdio: ['pipe', 'pipe', log],
      // A group of its own: Ctrl-C reaches the demo, which ends silos first and the coordinator last.
      detached: true,
    });
    closeSync(log);
    process_.stdin?.on('error', () => undefined);
    const exited = new Promise<void>((resolve) => {
      process_.once('exit', (code, signal) => {
        resolve();
        if (!this.#stopping) this.#fail(this.#unexpected(name, code, signal));
      });
      process_.once('error', (cause) => {
        resolve();
        this.#fail(new FedrotError('internal', `${name} cannot be started: ${cause.message}`, { cause }));
      });
    });
    this.#children.push({ name, process: process_, exited });
    const ready = new Promise<Readonly<Record<string, unknown>>>((resolve) => {
      if (process_.stdout === null) return;
      createInterface({ input: process_.stdout }).once('line', (line) =>
        resolve(JSON.parse(line) as Readonly<Record<string, unknown>>),
      );
    });
    return Promise.race([ready, this.failed]);
  }

  #unexpected(name: string, code: number | null, signal: NodeJS.Signals | null): FedrotError {
    const how = signal === null ? `with exit code ${String(code)}` : `by ${signal}`;
    const reason = reasonIn(readFileSync(this.logOf(name), 'utf8'));
    return new FedrotError('internal', `${name} ended ${how}${reason === undefined ? '' : `: ${reason}`}`);
  }

  /** Ends every child, the last started first, and waits; one that does not drain in time is killed. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const [first, ...rest] = this.#children;
    await Promise.all(rest.reverse().map(end));
    if (first !== undefined) await end(first);
  }
}

async function end({ process: child, exited }: Child): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  child.kill('SIGTERM');
  const late = new AbortController();
  const kill = sleep(DRAIN_MS, undefined, { signal: late.signal }).then(
    () => child.kill('SIGKILL'),
    () => undefined,
  );
  await exited;
  late.abort();
  await kill;
}
