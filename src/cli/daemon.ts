import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { Option, type Command } from 'commander';
import { FedrotError } from '../errors.js';
import type { Logger } from '../log.js';
import type { CliContext } from './context.js';
import { variable } from './env.js';
import { endSignals } from './signals.js';

export interface DaemonFlags {
  readonly config?: string;
  readonly json?: boolean;
  readonly readyFile?: string;
  readonly stopWithStdin?: boolean;
}

/** The options that both daemons share. */
export function addDaemonOptions(command: Command): Command {
  return command
    .addOption(new Option('-c, --config <file>', 'YAML file (env: FEDROT_CONFIG)'))
    .addOption(new Option('--json', 'print one JSON line on stdout when ready'))
    .addOption(new Option('--ready-file <path>', 'write that line to a file when ready; removed at the end'))
    .addOption(
      new Option(
        '--stop-with-stdin',
        'drain when standard input ends too: a parent that dies leaves nothing behind',
      ),
    );
}

/** Path of the configuration file, from --config or FEDROT_CONFIG. */
export const configFile = (flags: DaemonFlags, { environment }: CliContext): string | undefined =>
  flags.config ?? variable(environment, 'FEDROT_CONFIG');

/** What runs until a signal: its facts for whoever waits for it, and how it drains. */
export interface RunningDaemon {
  readonly ready: Readonly<Record<string, unknown>>;
  /** Settles only by rejecting: where the daemon cannot go on. */
  readonly failed?: Promise<never>;
  /** Resolves when it has drained: nothing is lost. */
  close(): Promise<void>;
}

function announce(line: string, flags: DaemonFlags, context: CliContext): void {
  if (flags.json === true) context.out(line);
  if (flags.readyFile === undefined) return;
  // Whoever polls for the file never sees half of it.
  const partial = `${flags.readyFile}.${process.pid}`;
  try {
    writeFileSync(partial, line);
    renameSync(partial, flags.readyFile);
  } catch (cause) {
    throw new FedrotError('config_invalid', `--ready-file ${flags.readyFile}: cannot be written`, { cause });
  }
}

/** Resolves when standard input ends. */
function stdinEnd(): Promise<'end of standard input'> {
  return new Promise((resolve) => {
    const done = (): void => resolve('end of standard input');
    process.stdin.once('end', done).once('close', done).once('error', done).resume();
  });
}

/** Starts a daemon, says that it is ready, and drains it on SIGTERM or SIGINT; a second signal ends it at once. */
export async function runDaemon(
  start: () => Promise<RunningDaemon>,
  flags: DaemonFlags,
  context: CliContext,
  log: Logger,
): Promise<void> {
  const signals = endSignals();
  try {
    const daemon = await start();
    try {
      announce(`${JSON.stringify({ ready: true, pid: process.pid, ...daemon.ready })}\n`, flags, context);
      const reasons: Promise<string>[] = [signals.first];
      if (flags.stopWithStdin === true) reasons.push(stdinEnd());
      if (daemon.failed !== undefined) reasons.push(daemon.failed);
      const reason = await Promise.race(reasons);
      log.info({ reason }, 'draining; a second signal ends at once');
    } finally {
      await daemon.close();
    }
    log.info('drained');
  } finally {
    if (flags.readyFile !== undefined) rmSync(flags.readyFile, { force: true });
    signals.release();
    // An open pipe would keep the process alive.
    if (flags.stopWithStdin === true) process.stdin.destroy();
  }
}
