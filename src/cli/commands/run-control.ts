import { setTimeout as sleep } from 'node:timers/promises';
import { Option, type Command } from 'commander';
import type { RunLogEntry } from '../../rpc/gen/fedrot/v1/RunLogEntry.js';
import { coordinatorAddress, coordinatorOption, withAdmin } from '../admin/connect.js';
import { credentialOption } from '../admin/security.js';
import { jsonOption, leaf, type BuildCommand } from '../command.js';
import { formatTime } from '../format.js';
import { runRow } from '../run/print.js';
import { readEvents } from '../run/read-events.js';
import { hasEnded, stateOf } from '../run/run-view.js';
import { endSignals } from '../signals.js';

export const buildPause: BuildCommand = (context) =>
  leaf('pause', 'begin no further round; the one under way ends unless it is held too')
    .argument('<run>', 'id of the run')
    .addOption(new Option('--hold', 'hold the round under way too: its time stands still'))
    .addOption(new Option('--reason <text>', 'kept with the run').default('paused by an operator'))
    .addOption(coordinatorOption())
    .addOption(credentialOption())
    .addOption(jsonOption())
    .action(
      async (runId: string, flags: { json?: boolean; hold?: boolean; reason: string }, command: Command) => {
        const run = await withAdmin(coordinatorAddress(command, context), (admin) =>
          admin.pauseRun({ runId, reason: flags.reason, hold: flags.hold === true }),
        );
        const done = stateOf(run) === 'paused' ? 'paused' : 'pauses when the round under way has ended';
        context.out(
          flags.json === true
            ? `${JSON.stringify(runRow(run))}\n`
            : `${runId} ${done}; go on with: fedrot run resume ${runId}\n`,
        );
      },
    );

export const buildResume: BuildCommand = (context) =>
  leaf('resume', 'go on with a run that was paused')
    .argument('<run>', 'id of the run')
    .addOption(coordinatorOption())
    .addOption(credentialOption())
    .addOption(jsonOption())
    .action(async (runId: string, flags: { json?: boolean }, command: Command) => {
      const run = await withAdmin(coordinatorAddress(command, context), (admin) =>
        admin.resumeRun({ runId }),
      );
      context.out(flags.json === true ? `${JSON.stringify(runRow(run))}\n` : `${runId} goes on\n`);
    });

const line = ({ atMs, level, round, silo, code, message }: RunLogEntry): string => {
  const where = [round > 0 ? `round ${round}` : '', silo].filter((part) => part !== '').join(' ');
  const why = code === '' ? '' : ` [${code}]`;
  return `${formatTime(atMs)}  ${level.padEnd(5)}  ${where === '' ? '' : `${where}: `}${message}${why}`;
};

const FOLLOW_MS = 1000;

export const buildLogs: BuildCommand = (context) =>
  leaf('logs', "show a run's events: rounds, updates, failures, what operators did")
    .argument('<run>', 'id of the run')
    .addOption(
      new Option('--level <level>', 'least severe level').choices(['info', 'warn', 'error']).default('info'),
    )
    .addOption(new Option('--follow', 'go on until the run ends'))
    .addOption(coordinatorOption())
    .addOption(credentialOption())
    .addOption(new Option('--json', 'print every event as a JSON line'))
    .action(
      async (runId: string, flags: { json?: boolean; follow?: boolean; level: string }, command: Command) => {
        const signals = endSignals();
        try {
          await withAdmin(coordinatorAddress(command, context), async (admin) => {
            for (let afterSeq = 0; ;) {
              // Asked first: what is written between the two calls is seen the next time.
              const ended = flags.follow === true ? hasEnded(await admin.getRun({ runId })) : true;
              for await (const event of readEvents(admin, { runId, afterSeq, minLevel: flags.level })) {
                context.out(
                  flags.json === true ? `${JSON.stringify(eventRow(event))}\n` : `${line(event)}\n`,
                );
                afterSeq = event.seq;
              }
              if (ended || signals.signal.aborted) return;
              await sleep(FOLLOW_MS, undefined, { signal: signals.signal }).catch(() => undefined);
            }
          });
        } finally {
          signals.release();
        }
      },
    );

const eventRow = ({ atMs, ...event }: RunLogEntry): Record<string, unknown> => ({ ...event, at_ms: atMs });
