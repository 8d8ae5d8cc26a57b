// One daemon: the real command line with faults preloaded, its log lines with the time at which they came.
import { spawn } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const MAIN = `${root}dist/cli/main.js`;
const FULL_DISK = /the disk (is full|cannot be written|is read-only)/;

export class Daemon {
  /** { at: ms of performance.now(), ...the line } */
  logs = [];
  other = [];
  starts = 0;
  /** Times at which it was not there: [from, to]. */
  away = [];
  /** When its clock was first set back. */
  setBack = undefined;
  #control = { offsetMs: 0, diskFull: 0 };

  constructor(name, args, { preload, controlFile, onLine = () => undefined }) {
    Object.assign(this, { name, args, preload, controlFile, onLine });
    this.#write();
  }

  start() {
    const imported = new URL(`preload/${this.preload}.mjs`, import.meta.url).href;
    const child = spawn(process.execPath, ['--import', imported, MAIN, ...this.args], {
      env: { ...process.env, NO_COLOR: '1', FEDROT_CHAOS_CONTROL: this.controlFile },
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd: root,
    });
    this.child = child;
    this.starts += 1;
    // 'close': everything that it said has been read.
    this.exited = new Promise((resolve) => child.once('close', resolve));
    this.ready = false;
    child.once('close', (code, signal) => {
      if (code !== 0) this.other.push(`ended with ${signal ?? code}`);
      if (this.ready && code > 0) this.revival = this.#revive();
    });
    for (const stream of [child.stdout, child.stderr])
      createInterface({ input: stream }).on('line', (text) => this.#line(text));
    return this.until((line) => line.ready === true || /is ready|registered with/.test(line.msg ?? '')).then(
      (line) => {
        this.ready = true;
        return line;
      },
    );
  }

  /** A daemon that ended because of its full disk: its supervisor starts it again. One that ended for another reason stays away. */
  async #revive() {
    const from = performance.now();
    if (!this.other.slice(-4).some((text) => FULL_DISK.test(text))) return;
    await this.#startAgain();
    this.away.push([from, performance.now()]);
  }

  #line(text) {
    try {
      const line = { at: performance.now(), ...JSON.parse(text) };
      this.logs.push(line);
      this.onLine(line);
      for (const wake of [...this.#waiting]) wake();
    } catch {
      this.other.push(text);
    }
  }

  #waiting = new Set();

  /** The next line that fits; waits for it. */
  async until(fits, timeoutMs = 60_000) {
    const from = this.logs.length;
    const { child } = this;
    const found = () => this.logs.slice(from).find(fits);
    const gone = () => child.exitCode !== null || child.signalCode !== null;
    const deadline = performance.now() + timeoutMs;
    while (found() === undefined && !gone() && performance.now() < deadline)
      await new Promise((resolve) => {
        const timer = setTimeout(done, 100);
        const waiting = this.#waiting;
        function done() {
          clearTimeout(timer);
          waiting.delete(done);
          resolve();
        }
        waiting.add(done);
      });
    if (found() !== undefined || child.exitCode === null) return found();
    await this.exited;
    throw new Error(`${this.name} ended with ${child.exitCode}: ${this.other.slice(-4).join(' ')}`);
  }

  async kill(awayMs) {
    await this.revival;
    const from = performance.now();
    this.child.kill('SIGKILL');
    await this.exited;
    await new Promise((resolve) => setTimeout(resolve, awayMs));
    await this.#startAgain();
    this.away.push([from, performance.now()]);
  }

  /** As systemd and Docker do: a daemon that says that it cannot start on a full disk is started again a moment later. */
  async #startAgain() {
    for (;;)
      try {
        return await this.start();
      } catch (thrown) {
        if (!FULL_DISK.test(thrown.message)) throw thrown;
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
  }

  async freeze(forMs) {
    this.child.kill('SIGSTOP');
    await new Promise((resolve) => setTimeout(resolve, forMs));
    this.child.kill('SIGCONT');
  }

  /** Changes clock or disk of the process, and of those that follow it. */
  set(changes) {
    Object.assign(this.#control, changes);
    this.#write();
  }

  /** Sets its clock by so much; remembers when it was set back. */
  setClock(byMs) {
    if (byMs < 0) this.setBack ??= performance.now();
    this.set({ offsetMs: this.#control.offsetMs + byMs });
  }

  #write() {
    writeFileSync(this.controlFile, JSON.stringify(this.#control));
  }

  async stop() {
    await this.revival;
    if (this.child === undefined || this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill('SIGCONT');
    this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), 15_000);
    await this.exited;
    clearTimeout(timer);
    rmSync(this.controlFile, { force: true });
  }
}
