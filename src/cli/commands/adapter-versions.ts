import { Option, type Command } from 'commander';
import { FedrotError } from '../../errors.js';
import { loraScale, parseRunSpec } from '../../run-spec.js';
import { coordinatorAddress, coordinatorOption, withAdmin } from '../admin/connect.js';
import { credentialOption } from '../admin/security.js';
import type { ModuleChange } from '../../align/compare-adapters.js';
import { jsonOption, leaf, type BuildCommand } from '../command.js';
import { readValue } from '../config/read-value.js';
import { formatNumber, formatPercent } from '../format.js';
import { runRow } from '../run/print.js';
import { accuracyOf, lossOf } from '../run/run-view.js';
import { formatTable, type Column } from '../table.js';

const SHOWN_MODULES = 10;

const COLUMNS: readonly Column<ModuleChange>[] = [
  { title: 'MODULE', value: ({ module }) => module },
  { title: 'CHANGE', value: ({ relativeChange }) => formatPercent(relativeChange), align: 'right' },
  { title: 'COSINE', value: ({ cosine }) => formatNumber(cosine), align: 'right' },
  { title: 'NORM', value: ({ normFrom }) => formatNumber(normFrom), align: 'right' },
  { title: '→', value: ({ normTo }) => formatNumber(normTo), align: 'right' },
];

/** A version by its number. */
function versionOf(text: string, name: string): number {
  const version = readValue('number', text, name) as number;
  if (Number.isInteger(version) && version >= 0) return version;
  throw new FedrotError(
    'option_invalid',
    `${name}: ${text} is no version; \`fedrot adapter list\` shows them`,
  );
}

export const buildCompare: BuildCommand = (context) =>
  leaf('compare', 'say how two versions differ: scores, and how far the updates have moved')
    .argument('<run>', 'id of the run')
    .argument('<from>', 'a version')
    .argument('<to>', 'another')
    .addOption(coordinatorOption())
    .addOption(credentialOption())
    .addOption(jsonOption())
    .action(async (runId: string, a: string, b: string, flags: { json?: boolean }, command: Command) => {
      const [from, to] = [versionOf(a, '<from>'), versionOf(b, '<to>')];
      const [{ fetchAdapter }, { compareAdapters }, { tensorsOf }] = await Promise.all([
        import('../admin/fetch-adapter.js'),
        import('../../align/compare-adapters.js'),
        import('../adapter/decode.js'),
      ]);
      const { run, files } = await withAdmin(coordinatorAddress(command, context), async (admin) => ({
        run: await admin.getRun({ runId }),
        files: [await fetchAdapter(admin, runId, from), await fetchAdapter(admin, runId, to)] as const,
      }));
      const { lora } = parseRunSpec(JSON.parse(run.specJson), `run ${runId}`);
      const [first, second] = files;
      const compared = compareAdapters(tensorsOf(first), tensorsOf(second), loraScale(lora));
      const scores = [from, to].map((version) => ({
        version,
        accuracy: accuracyOf(run, version),
        loss: lossOf(run, version),
      }));
      if (flags.json === true) {
        context.out(`${JSON.stringify({ run: runId, scores, ...compared })}\n`);
        return;
      }
      const { total, modules } = compared;
      const more =
        modules.length > SHOWN_MODULES
          ? `${modules.length - SHOWN_MODULES} further modules with --json\n`
          : '';
      context.out(
        [
          ...scores.map(
            ({ version, accuracy, loss }) =>
              `version ${version}: accuracy ${formatPercent(accuracy)}, loss ${formatNumber(loss)}`,
          ),
          `change ${formatPercent(total.relativeChange)}, cosine ${formatNumber(total.cosine)}, norm ${formatNumber(total.normFrom)} → ${formatNumber(total.normTo)}`,
          '',
          `${formatTable(modules.slice(0, SHOWN_MODULES), COLUMNS, 'no modules')}${more}`,
        ].join('\n'),
      );
    });

export const buildRollback: BuildCommand = (context) =>
  leaf('rollback', 'publish an older version again, as the newest; further rounds start from it')
    .argument('<run>', 'id of the run')
    .argument('<version>', 'the version to go back to')
    .addOption(new Option('--reason <text>', 'kept with the run').default('rolled back by an operator'))
    .addOption(coordinatorOption())
    .addOption(credentialOption())
    .addOption(jsonOption())
    .action(
      async (runId: string, text: string, flags: { json?: boolean; reason: string }, command: Command) => {
        const version = versionOf(text, '<version>');
        const run = await withAdmin(coordinatorAddress(command, context), (admin) =>
          admin.rollbackAdapter({ runId, version, reason: flags.reason }),
        );
        context.out(
          flags.json === true
            ? `${JSON.stringify(runRow(run))}\n`
            : `${runId} goes back: version ${version} is published again as its next version\n`,
        );
      },
    );
