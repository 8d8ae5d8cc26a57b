import { clientConfigSchema } from '../../client/config.js';
import { leaf, type BuildCommand } from '../command.js';
import { loadConfig } from '../config/layers.js';
import { addSettingOptions, givenFlags } from '../config/options.js';
import { enrolledBase } from '../enrolled-base.js';
import { addDaemonOptions, configFile, runDaemon, type DaemonFlags } from '../daemon.js';

export const build: BuildCommand = (context) => {
  const command = addDaemonOptions(leaf('client', "run a silo's daemon: train or evaluate on local data"));
  addSettingOptions(command, clientConfigSchema);
  return command.action(async (flags: DaemonFlags) => {
    const sources = {
      file: configFile(flags, context),
      environment: context.environment,
      flags: givenFlags(command, clientConfigSchema),
    };
    const base = enrolledBase(sources.file, sources.environment, sources.flags);
    const config = loadConfig(clientConfigSchema, { base, ...sources });
    const [{ createLogger }, { startClient }] = await Promise.all([
      import('../../log.js'),
      import('../../client/daemon.js'),
    ]);
    const logger = createLogger({ ...config.log, base: { service: 'client', silo: config.name } });
    const start = async () => {
      const client = await startClient(config, { logger });
      const { examples, failed, metricsPort } = client;
      return {
        ready: {
          silo: config.name,
          role: config.role,
          examples,
          ...(metricsPort !== undefined && { metricsPort }),
        },
        failed,
        close: () => client.close(),
      };
    };
    await runDaemon(start, flags, context, logger);
  });
};
