import { Option } from 'commander';
import { jsonOption, leaf, type BuildCommand } from '../command.js';
import { checkFolder } from './check-folder.js';

interface Flags {
  readonly from: string;
  readonly dataFolder: string;
  readonly json?: boolean;
}

/** `fedrot restore`: a data folder from a backup, checked. */
export const build: BuildCommand = (context) =>
  leaf('restore', "make a coordinator's data folder from a backup, and check it")
    .addOption(new Option('--from <folder>', 'the backup').makeOptionMandatory())
    .addOption(
      new Option('--data-folder <folder>', 'new data folder; not there yet, or empty').makeOptionMandatory(),
    )
    .addOption(jsonOption())
    .action(async ({ from, dataFolder, json }: Flags) => {
      const { restore } = await import('../../server/backup/restore.js');
      const { createdMs } = await restore(from, dataFolder);
      if (json !== true) context.out(`restored what was there at ${new Date(createdMs).toISOString()}\n`);
      await checkFolder(dataFolder, context, json === true);
    });
