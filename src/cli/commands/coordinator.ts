import { Option } from 'commander';
import { z } from 'zod';
import { LOG_LEVELS } from '../../log.js';
import { coordinatorConfigSchema } from '../../server/config.js';
import { leaf, type BuildCommand } from '../command.js';
import { packageVersion } from '../../version.js';
import { loadConfig } from '../config/layers.js';
import { addSettingOptions, givenFlags } from '../config/options.js';
import { addDaemonOptions, configFile, runDaemon, type DaemonFlags } from '../daemon.js';
import { modelTools } from '../model-tools.js';
import { checkFolder } from './check-folder.js';

/** The coordinator's configuration file: what the server needs, and how its process logs. */
export const coordinatorFileSchema = coordinatorConfigSchema.extend({
  log: z
    .strictObject({
      level: z.enum(LOG_LEVELS).default('info').describe('least severe level that is logged'),
      format: z.enum(['auto', 'json', 'pretty']).default('auto').describe('auto is pretty on a terminal'),
    })
    .prefault({}),
});

export const build: BuildCommand = (context) => {
  const command = addDaemonOptions(leaf('coordinator', 'run the coordinator: rounds, alignment, adapters'));
  addSettingOptions(command, coordinatorFileSchema);
  command.addOption(
    new Option('--check', 'verify the data folder instead of serving it: hashes, database, chains'),
  );
  return command.action(async (flags: DaemonFlags & { check?: boolean; json?: boolean }) => {
    const { log, ...config } = loadConfig(coordinatorFileSchema, {
      file: configFile(flags, context),
      environment: context.environment,
      flags: givenFlags(command, coordinatorFileSchema),
    });
    if (flags.check === true) {
      await checkFolder(config.dataFolder, context, flags.json === true);
      return;
    }
    const [{ createLogger }, { startCoordinator }] = await Promise.all([
      import('../../log.js'),
      import('../../server/start.js'),
    ]);
    const logger = createLogger({ ...log, base: { service: 'coordinator' } });
    const start = async () => {
      const coordinator = await startCoordinator(Object.freeze(config), {
        logger,
        softwareVersion: packageVersion(),
        models: modelTools,
      });
      const { grpcPort, httpPort, access } = coordinator;
      const trust =
        access.mode === 'plaintext' ? {} : { security: access.mode, fingerprint: access.fingerprint };
      return { ready: { grpcPort, httpPort, ...trust }, close: () => coordinator.close() };
    };
    await runDaemon(start, flags, context, logger);
  });
};
