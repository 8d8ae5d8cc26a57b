import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { Option, type Command } from 'commander';
import type { Logger } from '../log.js';
import type { CliContext } from './context.js';
import { FedrotError } from '../errors.js';
import { endSignals } from './signals.js';

export interface DaemonFlags {
  readonly config?: string;
  readonly json?: boolean;
  readonly readyFile?: string;
}

/** The options that both daemons share. */
export function addDaemonOptions(command: Command): Command {
  return command
    .addOption(new Option('-c, --config <file>', 'YAML file (env: FEDROT_CONFIG)'))
    .addOption(new Option('--json', 'print one JSON line on stdout when ready'))
    .addOption(new Option('--ready-file <path>', 'write that line to a file when ready; removed at the end'));
}

/** Path of the configuration file, from --config or FEDROT_CONFIG. */
export const configFile = (flags: DaemonFlags, { environment }: CliContext): string | undefined =>
  flags.config ?? (environment.FEDROT_CONFIG || undefined);

/** What runs until a signal: its facts for whoever waits for it, and how it drains. */
export interface RunningDaemon {
  readonly ready: Readonly<Record<string, unknown>>;
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
      const signal = await signals.first;
      log.info({ signal }, 'draining; a second signal ends at once');
    } finally {
      await daemon.close();
    }
    log.info('drained');
  } finally {
    if (flags.readyFile !== undefined) rmSync(flags.readyFile, { force: true });
    signals.release();
  }
}
