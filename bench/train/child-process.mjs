// A child that is asked for one thing at a time: JSON lines in and out.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

export class Child {
  #process;
  #lines;
  #errors = '';

  constructor(command, args, env) {
    this.#process = spawn(command, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    this.#process.stderr.on('data', (chunk) => (this.#errors = (this.#errors + chunk).slice(-4000)));
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
  }

  /** The answer to a request; throws what the child wrote to its standard error where it ended instead. */
  async ask(request) {
    this.#process.stdin.write(`${JSON.stringify(request)}\n`);
    for (;;) {
      const { value, done } = await this.#lines.next();
      if (done) throw new Error(`the child ended: ${this.#errors}`);
      if (value.startsWith('{')) return JSON.parse(value);
    }
  }

  /** Asks it to end, and waits. */
  async end() {
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.stdin.end();
    await ended;
  }
}
