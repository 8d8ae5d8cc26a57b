import type { Command } from 'commander';
import type { Environment } from './env.js';

/** What a command may touch of the process: so that tests can run a command without one. */
export interface CliContext {
  readonly environment: Environment;
  /** Standard output: what the command is asked to print. */
  readonly out: (text: string) => void;
  /** Standard error: everything else. */
  readonly err: (text: string) => void;
  /** Whether standard output is a terminal that a person looks at. */
  readonly terminal: boolean;
  /** Every command with everything below it: for completion. */
  readonly wholeProgram?: () => Promise<Command>;
  /** The terminal to draw on, asked for anew with every picture: it may have been resized. Undefined where there is none. */
  readonly screen?: () => { readonly columns: number; write(text: string): void };
}

export function processContext(environment: Environment): CliContext {
  return {
    environment,
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    terminal: process.stdout.isTTY,
    ...(process.stdout.isTTY && {
      screen: () => ({
        columns: process.stdout.columns,
        write: (text: string) => void process.stdout.write(text),
      }),
    }),
  };
}
