import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { Option } from 'commander';
import { asFedrotError } from '../../errors.js';
import type { Study } from '../../sim/study.js';
import { jsonOption, leaf, type BuildCommand } from '../command.js';
import { readValue } from '../config/read-value.js';
import { readYamlFile } from '../config/yaml-file.js';
import { Exit } from '../failure.js';
import { endSignals, exitCodeOf } from '../signals.js';
import { formatTable } from '../table.js';
import { packageVersion } from '../../version.js';

interface SimulateFlags {
  readonly config: string;
  readonly out?: string;
  readonly cache: string;
  readonly workers?: string;
  readonly reportOnly?: boolean;
  readonly json?: boolean;
}

/** Paths of a study file are relative to it. */
function withPaths(study: Study, file: string): Study {
  const from = (path: string): string => resolve(dirname(file), path);
  const { bundle, checkpoint, tokenizer } = study.model;
  return {
    ...study,
    model: {
      ...study.model,
      ...(bundle !== undefined && { bundle: from(bundle) }),
      ...(checkpoint !== undefined && { checkpoint: from(checkpoint) }),
      ...(tokenizer !== undefined && { tokenizer: from(tokenizer) }),
    },
    data: study.data.map((one) => ({ ...one, train: from(one.train), test: from(one.test) })),
  };
}

const settingsOf = (given: Readonly<Record<string, unknown>>): (readonly [string, string])[] =>
  Object.entries(given).map(([key, value]) => [
    key,
    typeof value === 'string' ? value : JSON.stringify(value),
  ]);

/** `fedrot simulate`: a study of methods and settings, with the round, the methods and the training of production. */
export const build: BuildCommand = (context) =>
  leaf('simulate', 'compare methods and settings on this machine: a grid of federated runs')
    .addOption(new Option('--config <file>', 'the study, YAML (docs/simulate.md)').makeOptionMandatory())
    .addOption(new Option('--out <folder>', 'for results.jsonl and report.html (default: the study’s name)'))
    .addOption(new Option('--cache <folder>', 'for bundles and what trials share').default('.cache/simulate'))
    .addOption(new Option('--workers <n>', 'trials at once, each on one thread (default: all cores)'))
    .addOption(
      new Option('--report-only', 'compute nothing: tables and report of the results that are there'),
    )
    .addOption(jsonOption())
    .action(async (flags: SimulateFlags) => {
      const [{ parseStudy }, { runStudy }, { summarize }, report, tables, progress] = await Promise.all([
        import('../../sim/study.js'),
        import('../../sim/run-study.js'),
        import('../../sim/summary.js'),
        import('../simulate/study-report.js'),
        import('../simulate/summary-table.js'),
        import('../simulate/progress.js'),
      ]);
      const given = readYamlFile(flags.config);
      const study = withPaths(parseStudy(given, flags.config), flags.config);
      const out = flags.out ?? study.name;
      const workers =
        flags.workers === undefined ? undefined : (readValue('number', flags.workers, '--workers') as number);
      const display =
        context.terminal && flags.json !== true
          ? progress.barDisplay()
          : progress.lineDisplay((text) => {
              context.err(text);
            });
      const signals = endSignals();
      let results;
      try {
        results = await runStudy(study, {
          out,
          cache: flags.cache,
          workers,
          compute: flags.reportOnly !== true,
          signal: signals.signal,
          onProgress: (state) => {
            display.update(state);
          },
        });
      } catch (thrown) {
        if (asFedrotError(thrown).code !== 'cancelled') throw thrown;
        display.close();
        context.err(`stopped; the same command continues from ${join(out, 'results.jsonl')}\n`);
        throw new Exit(exitCodeOf(await signals.first));
      } finally {
        display.close();
        signals.release();
      }
      const settings = summarize(results.done, study.baseline);
      const path = join(out, 'report.html');
      mkdirSync(out, { recursive: true });
      writeFileSync(
        path,
        report.studyReport({
          name: study.name,
          baseline: study.baseline,
          results: results.done,
          missing: results.missing,
          command: `fedrot simulate --config ${flags.config}`,
          software: `fedrot ${packageVersion()}, Node ${process.versions.node}, ${process.platform} ${process.arch}`,
          settings: settingsOf(given),
        }),
      );
      if (flags.json === true) {
        const methods = settings.flatMap(({ label, methods: all }) =>
          all.map(({ curve: _curve, ...rest }) => ({ setting: label, ...rest })),
        );
        context.out(`${JSON.stringify({ study: study.name, missing: results.missing, methods })}\n`);
        return;
      }
      const columns = tables.summaryColumns(study.baseline, settings).map((title, i) => ({
        title,
        value: (row: readonly string[]) => row[i],
        align: i < 2 ? ('left' as const) : ('right' as const),
      }));
      context.out(formatTable(tables.summaryRows(settings), columns, 'no results yet'));
      context.out(`report: ${path}\n`);
    });
