import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { groupRuns, signalGroup } from './process-group.js';
import { repoPath } from './repo.js';

/** The compiled command line: processes of tests run what users run. */
export const MAIN = repoPath('dist/cli/main.js');

const POLL_MS = 20;
/** How long a process may take to do what a test waits for; the CI machine has two cores. */
const WAIT_MS = 60_000;
const DRAIN_MS = 15_000;
/** How long children may outlive their parent. */
const CHILDREN_MS = 1000;
/** Lines of output shown when a test fails. */
const SHOWN_LINES = 40;

export type LogLine = Readonly<Record<string, unknown>>;

export interface ExitStatus {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface StartOptions {
  readonly cwd?: string;
  /** Added to the environment; undefined removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Default: the fedrot command line. */
  readonly script?: string;
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** One running process in a process group of its own, with everything it printed. */
export class TestProcess {
  readonly stdout: string[] = [];
  readonly stderr: string[] = [];
  /** Lines of stderr that are JSON objects: pino's. */
  readonly logs: LogLine[] = [];
  readonly exited: Promise<ExitStatus>;
  exit: ExitStatus | undefined;

  constructor(
    readonly name: string,
    private readonly child: ChildProcess,
  ) {
    const ended = [
      collect(child.stdout!, (line) => this.stdout.push(line)),
      collect(child.stderr!, (line) => {
        this.stderr.push(line);
        const log = parseLog(line);
        if (log) this.logs.push(log);
      }),
    ];
    const closed = new Promise<ExitStatus>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code, signal) => resolve({ code, signal }));
    });
    this.exited = closed.then(async (status) => {
      this.exit = status;
      // What was printed last may still be in the pipe; a grandchild may hold the pipe open, so not for ever.
      await Promise.race([Promise.all(ended), sleep(500)]);
      return status;
    });
    this.exited.catch(() => undefined);
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** Waits until `probe` gives something; fails with the process's output after `timeoutMs`, or at its unexpected end. */
  async until<T>(
    what: string,
    probe: () => T | undefined | false | null,
    { timeoutMs = WAIT_MS }: { timeoutMs?: number } = {},
  ): Promise<T> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const ended = this.exit !== undefined;
      const found = probe();
      if (found !== undefined && found !== false && found !== null) return found;
      if (ended) throw new Error(`${this.name} ended while a test waited for ${what}\n${this.describe()}`);
      if (Date.now() > deadline)
        throw new Error(`${this.name}: no ${what} within ${timeoutMs} ms\n${this.describe()}`);
      await sleep(POLL_MS);
    }
  }

  /** The first log line from number `from` on that has a message like `message` and the given fields. */
  async log(
    message: RegExp,
    options: { from?: number; fields?: LogLine; timeoutMs?: number } = {},
  ): Promise<LogLine> {
    const { from = 0, fields = {}, ...wait } = options;
    const matches = (line: LogLine): boolean =>
      message.test(typeof line.msg === 'string' ? line.msg : '') &&
      Object.entries(fields).every(([key, value]) => line[key] === value);
    return this.until(`log line ${String(message)}`, () => this.logs.slice(from).find(matches), wait);
  }

  /** The first line of stdout that matches. */
  async line(pattern: RegExp, wait: { timeoutMs?: number } = {}): Promise<RegExpExecArray> {
    return this.until(
      `line ${String(pattern)} on stdout`,
      () => {
        for (const line of this.stdout) {
          const match = pattern.exec(line);
          if (match) return match;
        }
        return undefined;
      },
      wait,
    );
  }

  /** What a daemon that was started with --json says of itself once it is ready, e.g. its ports. */
  async ready(wait: { timeoutMs?: number } = {}): Promise<Readonly<Record<string, unknown>>> {
    const [line] = await this.line(/^\{"ready":true.*\}$/, wait);
    return JSON.parse(line) as Record<string, unknown>;
  }

  /** Waits for the end. */
  async end(timeoutMs = WAIT_MS): Promise<ExitStatus> {
    await this.until('end', () => this.exit, { timeoutMs });
    return this.exited;
  }

  /** As `kill -9` does: no chance to clean up. Resolves when the process is gone. */
  async kill9(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.end(DRAIN_MS);
  }

  /** SIGTERM, and the exit status once it has drained. */
  async stop(timeoutMs = DRAIN_MS): Promise<ExitStatus> {
    this.child.kill('SIGTERM');
    return this.end(timeoutMs);
  }

  /** SIGSTOP and SIGCONT: a process that hangs without closing its connections. */
  freeze(): void {
    this.child.kill('SIGSTOP');
  }

  thaw(): void {
    this.child.kill('SIGCONT');
  }

  /** True while the process or a child of it lives. */
  get alive(): boolean {
    return groupRuns(this.pid);
  }

  /** For clean-up: ends the process and its children, and waits until they are gone. */
  async killGroup(): Promise<void> {
    const deadline = Date.now() + WAIT_MS;
    while (this.alive && Date.now() < deadline) {
      signalGroup(this.pid, 'SIGKILL');
      await sleep(POLL_MS);
    }
  }

  describe(): string {
    const tail = (lines: readonly string[]): string => lines.slice(-SHOWN_LINES).join('\n');
    const { code, signal } = this.exit ?? {};
    const state = this.exit ? `ended with ${signal ?? `code ${String(code)}`}` : `running as ${this.pid}`;
    return `--- ${this.name} (${state}) stdout:\n${tail(this.stdout)}\n--- stderr:\n${tail(this.stderr)}`;
  }
}

async function collect(stream: Readable, add: (line: string) => void): Promise<void> {
  for await (const line of createInterface({ input: stream, crlfDelay: Infinity })) add(line);
}

function parseLog(line: string): LogLine | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    return JSON.parse(line) as LogLine;
  } catch {
    return undefined;
  }
}

const running = ({ exit }: TestProcess): boolean => exit === undefined;

/** Starts processes and sees to it that none outlives its test. */
export class Processes {
  private readonly started: TestProcess[] = [];
  private readonly killAll = (): void => {
    for (const { pid } of this.started) signalGroup(pid, 'SIGKILL');
  };

  /** How long a process may take from SIGTERM to its end. */
  constructor(private readonly drainMs = DRAIN_MS) {
    process.once('exit', this.killAll);
  }

  /** `fedrot ARGS…`, compiled, in a process group of its own. */
  start(name: string, args: readonly string[], options: StartOptions = {}): TestProcess {
    const script = options.script ?? MAIN;
    if (!existsSync(script)) throw new Error(`${script} is not there: run \`npm run build\``);
    const child = spawn(process.execPath, [script, ...args], {
      cwd: options.cwd,
      env: { ...process.env, NO_COLOR: '1', ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    const started = new TestProcess(name, child);
    this.started.push(started);
    return started;
  }

  /** Runs a command to its end. */
  async run(
    args: readonly string[],
    options: StartOptions & { timeoutMs?: number } = {},
  ): Promise<TestProcess> {
    const process = this.start(`fedrot ${args.join(' ')}`, args, options);
    await process.end(options.timeoutMs);
    return process;
  }

  /** What a command prints with --json, run to its end. Throws where it fails. */
  async json<T>(args: readonly string[]): Promise<T> {
    const ended = await this.run([...args, '--json']);
    if (ended.exit?.code !== 0) throw new Error(ended.describe());
    return JSON.parse(ended.stdout.at(-1) ?? '') as T;
  }

  /** Ends what still runs. Throws where a process does not drain on SIGTERM or leaves children behind. */
  async dispose(): Promise<void> {
    process.off('exit', this.killAll);
    const leaks: string[] = [];
    await Promise.all(
      this.started.map(async (started) => {
        if (running(started)) {
          started.thaw();
          await started
            .stop(this.drainMs)
            .catch(() => leaks.push(`did not end on SIGTERM: ${started.describe()}`));
        } else if (started.alive) await sleep(CHILDREN_MS);
        if (!running(started) && started.alive) leaks.push(`left children behind: ${started.describe()}`);
        await started.killGroup();
      }),
    );
    if (leaks.length > 0) throw new Error(leaks.join('\n'));
  }
}
