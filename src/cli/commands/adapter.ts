import { Option, type Command } from 'commander';
import { FedrotError } from '../../errors.js';
import type { AdapterRef } from '../../rpc/gen/fedrot/v1/AdapterRef.js';
import { parseRunSpec } from '../../run-spec.js';
import { coordinatorAddress, coordinatorOption, withAdmin, type AdminClient } from '../admin/connect.js';
import { credentialOption } from '../admin/security.js';
import { group, jsonOption, leaf, type BuildCommand } from '../command.js';
import { readValue } from '../config/read-value.js';
import { formatBytes } from '../format.js';
import { formatTable, type Column } from '../table.js';
import { buildMerge } from './adapter-merge.js';
import { buildCompare, buildRollback } from './adapter-versions.js';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

const COLUMNS: readonly Column<AdapterRef>[] = [
  { title: 'VERSION', value: ({ version }) => version },
  { title: 'SHA-256', value: ({ sha256 }) => hex(sha256) },
  { title: 'SIZE', value: ({ bytes }) => formatBytes(bytes), align: 'right' },
  { title: 'BEST', value: ({ best }) => (best ? 'by validation' : '') },
];

const buildList: BuildCommand = (context) =>
  leaf('list', "list a run's published adapters; version 0 is the initial one")
    .argument('<run>', 'id of the run')
    .addOption(coordinatorOption())
    .addOption(credentialOption())
    .addOption(jsonOption())
    .action(async (runId: string, options: { json?: boolean }, command: Command) => {
      const { adapters } = await withAdmin(coordinatorAddress(command, context), (admin) =>
        admin.listAdapters({ runId }),
      );
      if (options.json === true)
        context.out(
          `${JSON.stringify(adapters.map(({ version, sha256, bytes, best }) => ({ version, sha256: hex(sha256), bytes, best })))}\n`,
        );
      else context.out(formatTable(adapters, COLUMNS, 'no adapters yet'));
    });

/** The version asked for, or the newest. */
async function chooseVersion(admin: AdminClient, runId: string, asked: string | undefined): Promise<number> {
  if (asked !== undefined) return readValue('number', asked, '--adapter-version') as number;
  const { adapters } = await admin.listAdapters({ runId });
  if (adapters.length === 0) throw new FedrotError('not_found', `run ${runId} has published no adapter yet`);
  return Math.max(...adapters.map(({ version }) => version));
}

interface GetFlags {
  readonly out: string;
  readonly adapterVersion?: string;
  readonly baseModel?: string;
  readonly rank?: string;
  readonly siloFolder?: string;
  readonly json?: boolean;
}

const buildGet: BuildCommand = (context) =>
  leaf('get', 'fetch an adapter as a folder that PEFT loads')
    .argument('<run>', 'id of the run')
    .addOption(
      new Option(
        '-o, --out <folder>',
        'where to write adapter_model.safetensors and adapter_config.json',
      ).makeOptionMandatory(),
    )
    .addOption(new Option('--adapter-version <number>', 'which version (default: the newest)'))
    .addOption(
      new Option('--base-model <name>', 'what Python loads as the base model: kept in adapter_config.json'),
    )
    .addOption(
      new Option(
        '--rank <number>',
        'flora, fedex: the best approximation of this rank, instead of the exact sum of all that was merged',
      ),
    )
    .addOption(
      new Option('--silo-folder <folder>', 'fedsa: a silo’s folder, for its model: published A, its own B'),
    )
    .addOption(coordinatorOption())
    .addOption(credentialOption())
    .addOption(jsonOption())
    .action(async (runId: string, flags: GetFlags, command: Command) => {
      const [{ exportAdapter }, { writePeftAdapter }] = await Promise.all([
        import('../admin/export-adapter.js'),
        import('../../model/peft.js'),
      ]);
      const fetched = await withAdmin(coordinatorAddress(command, context), async (admin) => {
        const version = await chooseVersion(admin, runId, flags.adapterVersion);
        const { specJson } = await admin.getRun({ runId });
        const { lora, task } = parseRunSpec(JSON.parse(specJson), `run ${runId}`);
        const rank =
          flags.rank === undefined ? undefined : (readValue('number', flags.rank, '--rank') as number);
        const exported = await exportAdapter(admin, runId, { version, lora, rank, silo: flags.siloFolder });
        return { version, task: task.kind, ...exported };
      });
      await writePeftAdapter({
        folder: flags.out,
        adapter: fetched.bytes,
        settings: fetched.settings,
        baseModel: flags.baseModel ?? null,
        task: fetched.task,
      });
      const { version, sha256, bytes, settings, merges } = fetched;
      if (flags.json === true)
        context.out(
          `${JSON.stringify({ run: runId, version, sha256, bytes: bytes.length, rank: settings.rank, merges, folder: flags.out })}\n`,
        );
      else
        context.out(
          `${runId} version ${version} → ${flags.out} (${formatBytes(bytes.length)}, SHA-256 ${sha256})${merges > 0 ? `, rank ${settings.rank}: the sum of ${merges} merged versions and the adapter` : ''}\n`,
        );
    });

export const build: BuildCommand = (context) =>
  group('adapter', 'list, fetch, compare, roll back and merge adapters', [
    buildList(context),
    buildGet(context),
    buildCompare(context),
    buildRollback(context),
    buildMerge(context),
  ]);
