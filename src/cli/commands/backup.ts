import { Option } from 'commander';
import { jsonOption, leaf, type BuildCommand } from '../command.js';

interface Flags {
  readonly dataFolder: string;
  readonly out: string;
  readonly json?: boolean;
}

/** `fedrot backup`: a copy of a coordinator's data, while it runs. */
export const build: BuildCommand = (context) =>
  leaf('backup', "copy a coordinator's data as they are now; the coordinator may be running")
    .addOption(new Option('--data-folder <folder>', 'data folder of the coordinator').makeOptionMandatory())
    .addOption(new Option('--out <folder>', 'where the backup goes; not there yet').makeOptionMandatory())
    .addOption(jsonOption())
    .action(async ({ dataFolder, out, json }: Flags) => {
      const { backup } = await import('../../server/backup/backup.js');
      const { files, createdMs } = await backup(dataFolder, out, Date.now());
      const count = Object.keys(files).length;
      if (json === true)
        context.out(`${JSON.stringify({ backup: out, files: count, created_ms: createdMs })}\n`);
      else context.out(`${count} files in ${out}; it holds the consortium's keys: keep it as safe as them\n`);
    });
