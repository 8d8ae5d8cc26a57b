import { join } from 'node:path';
import { Option } from 'commander';
import type { Consent } from '../../client/accept/consents.js';
import { group, jsonOption, leaf, type BuildCommand } from '../command.js';
import type { CliContext } from '../context.js';
import { variable } from '../env.js';
import { formatTime } from '../format.js';
import { formatTable, type Column } from '../table.js';

const folderOption = (): Option =>
  new Option('--folder <folder>', "the silo's folder (default: ./fedrot-silo, env: FEDROT_FOLDER)");

async function consentsOf(flags: { folder?: string }, { environment }: CliContext) {
  const { Consents } = await import('../../client/accept/consents.js');
  const folder = flags.folder ?? variable(environment, 'FEDROT_FOLDER') ?? './fedrot-silo';
  return new Consents(join(folder, 'consents'));
}

const COLUMNS: readonly Column<Consent>[] = [
  { title: 'ID', value: ({ id }) => id },
  { title: 'STATE', value: ({ state }) => state },
  { title: 'RUN', value: ({ run }) => run },
  { title: 'ASKED', value: ({ askedMs }) => formatTime(askedMs) },
  { title: 'BECAUSE', value: ({ objections }) => objections.join('; ') },
];

const buildList: BuildCommand = (context) =>
  leaf('list', 'list what runs ask for beyond what this silo accepts')
    .addOption(folderOption())
    .addOption(jsonOption())
    .action(async (flags: { folder?: string; json?: boolean }) => {
      const list = await (await consentsOf(flags, context)).list();
      context.out(
        flags.json === true
          ? `${JSON.stringify(list)}\n`
          : formatTable(list, COLUMNS, 'nothing was asked for'),
      );
    });

const buildDecide =
  (state: 'granted' | 'denied', name: string, summary: string): BuildCommand =>
  (context) =>
    leaf(name, summary)
      .argument('<id>', 'as in the list')
      .addOption(folderOption())
      .action(async (id: string, flags: { folder?: string }) => {
        const consents = await consentsOf(flags, context);
        const { run } = await consents.decide(id, state, Date.now());
        context.out(`${state} for run ${run}; it counts from its next task on\n`);
      });

export const build: BuildCommand = (context) =>
  group('consent', "a silo administrator's decisions on runs that the configuration does not accept", [
    buildList(context),
    buildDecide('granted', 'grant', 'agree to exactly this run with exactly these settings')(context),
    buildDecide('denied', 'deny', 'refuse it')(context),
  ]);
