import type { Command } from 'commander';
import type { Silo } from '../../rpc/gen/fedrot/v1/Silo.js';
import { coordinatorAddress, coordinatorOption, withAdmin } from '../admin/connect.js';
import { credentialOption } from '../admin/security.js';
import { jsonOption, leaf, type BuildCommand } from '../command.js';
import { formatTime } from '../format.js';
import { formatTable, type Column } from '../table.js';

const ROLES: Readonly<Record<Silo['role'], string>> = {
  SILO_ROLE_UNSPECIFIED: 'unknown',
  SILO_ROLE_TRAINER: 'trainer',
  SILO_ROLE_EVALUATOR: 'evaluator',
};

export const SILO_COLUMNS: readonly Column<Silo>[] = [
  { title: 'SILO', value: ({ silo }) => silo },
  { title: 'ROLE', value: ({ role }) => ROLES[role] },
  { title: 'CONNECTED', value: ({ connected }) => (connected ? 'yes' : 'no') },
  { title: 'LAST SEEN', value: ({ lastSeenMs }) => formatTime(lastSeenMs) },
  { title: 'EXAMPLES', value: ({ examples }) => examples },
  { title: 'UPDATES', value: ({ updatesAccepted }) => updatesAccepted },
  { title: 'FAILURES', value: ({ failures }) => failures },
  { title: 'VERSION', value: ({ softwareVersion }) => softwareVersion },
];

export const siloRow = (silo: Silo): Record<string, unknown> => ({
  silo: silo.silo,
  role: ROLES[silo.role],
  connected: silo.connected,
  last_seen_ms: silo.lastSeenMs,
  examples: silo.examples,
  software_version: silo.softwareVersion,
  updates_accepted: silo.updatesAccepted,
  failures: silo.failures,
});

export const buildList: BuildCommand = (context) =>
  leaf('list', 'list the silos that the coordinator knows')
    .addOption(coordinatorOption())
    .addOption(credentialOption())
    .addOption(jsonOption())
    .action(async (options: { json?: boolean }, command: Command) => {
      const { silos } = await withAdmin(coordinatorAddress(command, context), (admin) => admin.listSilos({}));
      if (options.json === true) context.out(`${JSON.stringify(silos.map(siloRow))}\n`);
      else context.out(formatTable(silos, SILO_COLUMNS, 'no silo has registered yet'));
    });
