import { Option } from 'commander';
import { clientConfigSchema, type ClientConfig } from '../../client/config.js';
import { asFedrotError } from '../../errors.js';
import { jsonOption, leaf, type BuildCommand } from '../command.js';
import { loadConfig } from '../config/layers.js';
import { addSettingOptions, givenFlags } from '../config/options.js';
import { configFile, type DaemonFlags } from '../daemon.js';
import type { Finding } from '../doctor/finding.js';
import { enrolledBase } from '../enrolled-base.js';
import { Exit } from '../failure.js';

async function examine(config: ClientConfig): Promise<Finding[]> {
  const [{ checkRuntime, checkDisk, checkMemory }, { checkData }, { checkBundles }, { checkLink }] =
    await Promise.all([
      import('../doctor/machine.js'),
      import('../doctor/data.js'),
      import('../doctor/bundles.js'),
      import('../doctor/link.js'),
    ]);
  const disk = await checkDisk(config);
  const groups = await Promise.all([
    checkLink(config),
    checkData(config),
    checkBundles(config.folder),
    checkRuntime(),
  ]);
  const [link, data, bundles, runtime] = groups;
  return [...link, ...data, ...bundles, disk, checkMemory(config), runtime];
}

/** `fedrot doctor`: what a silo needs to work, looked at from where the daemon runs, with the daemon's own configuration. */
export const build: BuildCommand = (context) => {
  const command = leaf(
    'doctor',
    'check a silo: connection, certificate, clock, disk, memory, model, data; says what to fix',
  )
    .addOption(new Option('-c, --config <file>', "the daemon's YAML file (env: FEDROT_CONFIG)"))
    .addOption(jsonOption());
  addSettingOptions(command, clientConfigSchema);
  return command.action(async (flags: DaemonFlags) => {
    const { formatFindings } = await import('../doctor/print.js');
    let findings: Finding[];
    try {
      const sources = {
        file: configFile(flags, context),
        environment: context.environment,
        flags: givenFlags(command, clientConfigSchema),
      };
      const base = enrolledBase(sources.file, sources.environment, sources.flags);
      const config = loadConfig(clientConfigSchema, { base, ...sources });
      findings = [
        {
          check: 'configuration',
          outcome: 'ok',
          message: `silo ${config.name}, ${config.role}, coordinator ${config.coordinator}`,
        },
        ...(await examine(config)),
      ];
    } catch (thrown) {
      const { message } = asFedrotError(thrown);
      findings = [
        {
          check: 'configuration',
          outcome: 'fail',
          message,
          fix: 'docs/configuration.md lists every key, flag and variable',
        },
      ];
    }
    context.out(
      flags.json === true
        ? `${JSON.stringify(findings)}\n`
        : formatFindings(findings, { colors: context.terminal }),
    );
    if (findings.some(({ outcome }) => outcome === 'fail')) throw new Exit(1);
  });
};
