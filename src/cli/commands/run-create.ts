import { Option } from 'commander';
import { FedrotError } from '../../errors.js';
import type { Bundle } from '../../model/bundle.js';
import type { Silo } from '../../rpc/gen/fedrot/v1/Silo.js';
import { runSpecSchema, type RunSpec } from '../../run-spec.js';
import { coordinatorAddress, coordinatorOption, withAdmin } from '../admin/connect.js';
import { credentialOption } from '../admin/security.js';
import { jsonOption, leaf, type BuildCommand } from '../command.js';
import { loadConfig } from '../config/layers.js';
import { addSettingOptions, givenFlags } from '../config/options.js';
import { formatBytes } from '../format.js';
import type { Probe } from '../run/preflight.js';

interface CreateFlags {
  readonly file?: string;
  readonly bundle: string;
  readonly runId?: string;
  readonly adapter?: string;
  readonly json?: boolean;
  readonly dryRun?: boolean;
  readonly probe: boolean;
}

/** The same bundle as the file names, if it names one. */
function checkBundle(spec: RunSpec, sha256: string, flags: CreateFlags): void {
  if (spec.bundle !== sha256)
    throw new FedrotError(
      'precondition_failed',
      `${flags.file ?? 'the specification'} asks for bundle ${spec.bundle}, but ${flags.bundle} is ${sha256}`,
    );
}

/** Longer texts than a model has positions for are cut there, where nothing else is said. */
const USUAL_TOKENS = { text: 128, language: 256 } as const;

/** What the bundle fixes of a run, and what fits its kind of model where nothing else is said. */
function baseOf({ task: { kind, labels }, model }: Bundle['manifest']): Record<string, unknown> {
  const usual = USUAL_TOKENS[kind === 'causal-lm' ? 'language' : 'text'];
  const task = {
    kind,
    ...(labels.length > 0 && { labels }),
    ...(model.maxTokens < usual && { maxTokens: model.maxTokens }),
  };
  return kind === 'causal-lm'
    ? { task, lora: { targetModules: ['all-linear'], modulesToSave: [] } }
    : { task };
}

/** The adapter to begin with, all in memory. */
async function existingAdapter(folder: string | undefined) {
  if (folder === undefined) return undefined;
  const { loadAdapter } = await import('../../model/load-adapter.js');
  return loadAdapter(folder);
}

/** What a few steps here take; undefined where this installation has no training engine, as the coordinator's image. */
async function measure(bundle: Bundle, spec: RunSpec): Promise<Probe | undefined> {
  try {
    const { probeRun } = await import('../run/probe.js');
    return await probeRun(bundle, spec);
  } catch (thrown) {
    if ((thrown as { code?: unknown }).code === 'ERR_MODULE_NOT_FOUND') return undefined;
    throw thrown;
  }
}

/** What the run will take, and what looks wrong about it: said before anything is created. */
async function preflight(bundle: Bundle, spec: RunSpec, silos: readonly Silo[], probe: boolean) {
  const [{ estimateRun, formatEstimate, preflightWarnings }, { initialAdapter }] = await Promise.all([
    import('../run/preflight.js'),
    import('../../model/initial-adapter.js'),
  ]);
  const tensors = initialAdapter(bundle, spec.lora, spec.seed);
  const parameters = tensors.reduce((sum, { data }) => sum + data.length, 0);
  const trainers = silos.filter(({ role, connected }) => connected && role === 'SILO_ROLE_TRAINER').length;
  const measured = probe ? await measure(bundle, spec) : undefined;
  const estimate = estimateRun(spec, bundle, parameters, { trainers, probe: measured });
  const warnings = preflightWarnings(spec, estimate, silos);
  if (probe && measured === undefined)
    warnings.push('no training engine is installed here: memory and time are not estimated');
  const lines = warnings.map((warning) => `warning: ${warning}\n`);
  return { estimate, warnings, text: `${formatEstimate(spec, estimate)}${lines.join('')}` };
}

/** `fedrot run create`: specification from a file and flags, version 0 of the adapter from the bundle, then CreateRun. */
export const buildCreate: BuildCommand = (context) => {
  const command = leaf('create', 'create a run from a YAML file and flags; flags win')
    .addOption(new Option('-f, --file <file>', 'YAML file with the specification (docs/run-spec.md)'))
    .addOption(
      new Option(
        '--bundle <folder>',
        'folder of the bundle; it is sent where the coordinator lacks it',
      ).makeOptionMandatory(),
    )
    .addOption(
      new Option(
        '--adapter <folder>',
        'begin with an existing adapter (fedrot adapter get, or PEFT) instead of a new one; its settings are the default',
      ),
    )
    .addOption(new Option('--run-id <id>', 'id of the run; made from its name by default'))
    .addOption(new Option('--dry-run', 'check and print the specification, create nothing'))
    .addOption(new Option('--no-probe', 'do not train a few steps here to estimate memory and time'))
    .addOption(coordinatorOption())
    .addOption(credentialOption())
    .addOption(jsonOption())
    .action(async (flags: CreateFlags) => {
      const { openBundle } = await import('../../model/bundle.js');
      const bundle = await openBundle(flags.bundle, { verify: true });
      const existing = await existingAdapter(flags.adapter);
      const spec = loadConfig(runSpecSchema, {
        base: {
          bundle: bundle.sha256,
          ...baseOf(bundle.manifest),
          ...(existing && { lora: existing.settings }),
        },
        file: flags.file,
        environment: {},
        flags: givenFlags(command, runSpecSchema, ['--bundle']),
      });
      checkBundle(spec, bundle.sha256, flags);
      if (flags.dryRun === true) {
        context.out(`${JSON.stringify(spec, null, flags.json === true ? undefined : 2)}\n`);
        return;
      }
      const [{ createRun }, { pushBundle }] = await Promise.all([
        import('../admin/create-run.js'),
        import('../admin/push-bundle.js'),
      ]);
      const created = await withAdmin(coordinatorAddress(command, context), async (admin) => {
        const { silos } = await admin.listSilos({});
        const checked = await preflight(bundle, spec, silos, flags.probe);
        if (flags.json !== true) context.err(checked.text);
        const sentBytes = await pushBundle(admin, bundle);
        return {
          sentBytes,
          ...(await createRun(admin, bundle, spec, { runId: flags.runId, begin: existing?.tensors })),
          checked,
        };
      });
      if (flags.json === true)
        context.out(
          `${JSON.stringify({ run: created.runId, bundle: bundle.sha256, adapter_sha256: created.initialSha256, estimate: created.checked.estimate, warnings: created.checked.warnings })}\n`,
        );
      else {
        const sent = created.sentBytes === 0 ? '' : ` (bundle sent, ${formatBytes(created.sentBytes)})`;
        context.out(`created ${created.runId}${sent}; follow it with: fedrot run watch ${created.runId}\n`);
      }
    });
  addSettingOptions(command, runSpecSchema, { except: ['--bundle'], variables: false });
  return command;
};
