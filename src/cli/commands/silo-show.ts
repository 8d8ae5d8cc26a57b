import type { Command } from 'commander';
import { FedrotError } from '../../errors.js';
import type { RunLogEntry } from '../../rpc/gen/fedrot/v1/RunLogEntry.js';
import type { SiloTask } from '../../rpc/gen/fedrot/v1/SiloTask.js';
import { coordinatorAddress, coordinatorOption, withAdmin, type AdminClient } from '../admin/connect.js';
import { credentialOption } from '../admin/security.js';
import { jsonOption, leaf, type BuildCommand } from '../command.js';
import { formatTime } from '../format.js';
import { readEvents } from '../run/read-events.js';
import { hasEnded } from '../run/run-view.js';
import { formatTable, type Column } from '../table.js';
import { SILO_COLUMNS, siloRow } from './silo-list.js';

type Task = SiloTask & { readonly run: string; readonly round: number };

/** What failed on a silo, or was refused of it. */
interface Failure extends Pick<RunLogEntry, 'round' | 'code' | 'message' | 'atMs'> {
  readonly run: string;
}

const FAILURE_KINDS: readonly string[] = ['task.failed', 'update.refused'];
const SHOWN_FAILURES = 10;

const FAILURES: readonly Column<Failure>[] = [
  { title: 'TIME', value: ({ atMs }) => formatTime(atMs) },
  { title: 'RUN', value: ({ run }) => run },
  { title: 'ROUND', value: ({ round }) => round },
  { title: 'CODE', value: ({ code }) => code },
  { title: 'MESSAGE', value: ({ message }) => message },
];

/** The silo, its tasks of open runs, and its failures in all runs by their logs, the newest first. */
async function look(admin: AdminClient, name: string) {
  const silo = (await admin.listSilos({})).silos.find((each) => each.silo === name);
  if (silo === undefined)
    throw new FedrotError(
      'not_found',
      `no silo is called ${name}; \`fedrot silo list\` shows those that have registered`,
    );
  const tasks: Task[] = [];
  const failures: Failure[] = [];
  for (const run of (await admin.listRuns({})).runs) {
    const { runId, round } = run;
    if (!hasEnded(run))
      for (const task of (await admin.getRun({ runId })).silos)
        if (task.silo === name) tasks.push({ run: runId, round, ...task });
    for await (const entry of readEvents(admin, { runId, minLevel: 'warn' }))
      if (entry.silo === name && FAILURE_KINDS.includes(entry.kind)) {
        const { code, message, atMs } = entry;
        failures.push({ run: runId, round: entry.round, code, message, atMs });
      }
  }
  return { silo, tasks, failures: failures.sort((x, y) => y.atMs - x.atMs) };
}

export const buildShow: BuildCommand = (context) =>
  leaf('show', 'show one silo: what it works on, what it has given, what has failed')
    .argument('<silo>', 'name of the silo')
    .addOption(coordinatorOption())
    .addOption(credentialOption())
    .addOption(jsonOption())
    .action(async (name: string, options: { json?: boolean }, command: Command) => {
      const { silo, tasks, failures } = await withAdmin(coordinatorAddress(command, context), (admin) =>
        look(admin, name),
      );
      if (options.json === true) {
        context.out(`${JSON.stringify({ ...siloRow(silo), tasks, failed: failures })}\n`);
        return;
      }
      context.out(formatTable([silo], SILO_COLUMNS, ''));
      for (const { run, round, state, step, totalSteps, message } of tasks)
        context.out(
          `\n${run} round ${round}: ${state}, step ${step} of ${totalSteps}${message === '' ? '' : `: ${message}`}\n`,
        );
      context.out(`\n${formatTable(failures.slice(0, SHOWN_FAILURES), FAILURES, 'no failures')}`);
    });
