import type { Command } from 'commander';
import { coordinatorAddress, coordinatorOption, withAdmin } from '../admin/connect.js';
import { credentialOption } from '../admin/security.js';
import { group, jsonOption, leaf, type BuildCommand } from '../command.js';
import { formatTime } from '../format.js';
import { FedrotError } from '../../errors.js';
import type { Run } from '../../rpc/gen/fedrot/v1/Run.js';
import type { Silo } from '../../rpc/gen/fedrot/v1/Silo.js';
import { formatTable, type Column } from '../table.js';
import { buildReadmit, buildRevoke } from './silo-access.js';

const ROLES: Readonly<Record<Silo['role'], string>> = {
  SILO_ROLE_UNSPECIFIED: 'unknown',
  SILO_ROLE_TRAINER: 'trainer',
  SILO_ROLE_EVALUATOR: 'evaluator',
};

const COLUMNS: readonly Column<Silo>[] = [
  { title: 'SILO', value: ({ silo }) => silo },
  { title: 'ROLE', value: ({ role }) => ROLES[role] },
  { title: 'CONNECTED', value: ({ connected }) => (connected ? 'yes' : 'no') },
  { title: 'LAST SEEN', value: ({ lastSeenMs }) => formatTime(lastSeenMs) },
  { title: 'EXAMPLES', value: ({ examples }) => examples },
  { title: 'UPDATES', value: ({ updatesAccepted }) => updatesAccepted },
  { title: 'FAILURES', value: ({ failures }) => failures },
  { title: 'VERSION', value: ({ softwareVersion }) => softwareVersion },
];

const row = (silo: Silo): Record<string, unknown> => ({
  silo: silo.silo,
  role: ROLES[silo.role],
  connected: silo.connected,
  last_seen_ms: silo.lastSeenMs,
  examples: silo.examples,
  software_version: silo.softwareVersion,
  updates_accepted: silo.updatesAccepted,
  failures: silo.failures,
});

const buildList: BuildCommand = (context) =>
  leaf('list', 'list the silos that the coordinator knows')
    .addOption(coordinatorOption())
    .addOption(credentialOption())
    .addOption(jsonOption())
    .action(async (options: { json?: boolean }, command: Command) => {
      const { silos } = await withAdmin(coordinatorAddress(command, context), (admin) => admin.listSilos({}));
      if (options.json === true) context.out(`${JSON.stringify(silos.map(row))}\n`);
      else context.out(formatTable(silos, COLUMNS, 'no silo has registered yet'));
    });

interface Failure {
  readonly run: string;
  readonly round: number;
  readonly code: string;
  readonly message: string;
  readonly atMs: number;
}

/** The newest first. */
function failuresOf(runs: readonly Run[], silo: string): Failure[] {
  const all = runs.flatMap(({ runId, rounds }) =>
    rounds.flatMap(({ round, failures }) =>
      failures
        .filter((failure) => failure.silo === silo)
        .map(({ code, message, atMs }) => ({ run: runId, round, code, message, atMs })),
    ),
  );
  return all.sort((x, y) => y.atMs - x.atMs);
}

const SHOWN_FAILURES = 10;

const FAILURES: readonly Column<Failure>[] = [
  { title: 'TIME', value: ({ atMs }) => formatTime(atMs) },
  { title: 'RUN', value: ({ run }) => run },
  { title: 'ROUND', value: ({ round }) => round },
  { title: 'CODE', value: ({ code }) => code },
  { title: 'MESSAGE', value: ({ message }) => message },
];

const buildShow: BuildCommand = (context) =>
  leaf('show', 'show one silo: what it works on, what it has given, what has failed')
    .argument('<silo>', 'name of the silo')
    .addOption(coordinatorOption())
    .addOption(credentialOption())
    .addOption(jsonOption())
    .action(async (name: string, options: { json?: boolean }, command: Command) => {
      const { silos, runs } = await withAdmin(coordinatorAddress(command, context), async (admin) => ({
        ...(await admin.listSilos({})),
        ...(await admin.listRuns({})),
      }));
      const silo = silos.find((each) => each.silo === name);
      if (silo === undefined)
        throw new FedrotError(
          'not_found',
          `no silo is called ${name}; \`fedrot silo list\` shows those that have registered`,
        );
      const tasks = runs.flatMap((run) =>
        run.silos
          .filter((task) => task.silo === name)
          .map((task) => ({ run: run.runId, round: run.round, ...task })),
      );
      const failures = failuresOf(runs, name);
      if (options.json === true) {
        context.out(`${JSON.stringify({ ...row(silo), tasks, failed: failures })}\n`);
        return;
      }
      context.out(formatTable([silo], COLUMNS, ''));
      for (const { run, round, state, step, totalSteps, message } of tasks)
        context.out(
          `\n${run} round ${round}: ${state}, step ${step} of ${totalSteps}${message === '' ? '' : `: ${message}`}\n`,
        );
      context.out(`\n${formatTable(failures.slice(0, SHOWN_FAILURES), FAILURES, 'no failures')}`);
    });

export const build: BuildCommand = (context) =>
  group('silo', 'list, show, revoke and readmit silos', [
    buildList(context),
    buildShow(context),
    buildRevoke('silo', context),
    buildReadmit('silo', context),
  ]);
