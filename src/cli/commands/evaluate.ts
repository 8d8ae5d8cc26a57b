import { Option } from 'commander';
import type { ColumnNames, DataFormat } from '../../client/data/data-config.js';
import { issueText } from '../../issue-text.js';
import { FedrotError } from '../../errors.js';
import type { Bundle } from '../../model/bundle.js';
import type { AdapterInput } from '../../model/language-model.js';
import { jsonOption, leaf, type BuildCommand } from '../command.js';
import { readValue } from '../config/read-value.js';
import { formatNumber } from '../format.js';

interface EvaluateFlags {
  readonly bundle: string;
  readonly format: DataFormat;
  readonly adapter?: string;
  readonly textColumn: string;
  readonly textPairColumn?: string;
  readonly labelColumn: string;
  readonly promptColumn?: string;
  readonly completionColumn?: string;
  readonly wordsColumn?: string;
  readonly tagsColumn?: string;
  readonly maxTokens?: string;
  readonly batchSize: string;
  readonly threads?: string;
  readonly json?: boolean;
}

/** Unless it is said otherwise, texts are cut here: what a silo's own run would say is not known. */
const LONGEST = 512;

/** As src/client/data/data-config.ts has them; written out so that `--help` loads nothing. */
const FORMATS = ['auto', 'jsonl', 'csv', 'tsv'] as const satisfies readonly DataFormat[];

/** A language model needs no labels. */
async function columnsOf(flags: EvaluateFlags, bundle: Bundle): Promise<ColumnNames> {
  const { columnsSchema } = await import('../../client/data/data-config.js');
  const unlabelled = bundle.manifest.task.kind === 'causal-lm' || flags.labelColumn === 'null';
  const parsed = columnsSchema.safeParse({
    text: flags.textColumn,
    textPair: flags.textPairColumn,
    label: unlabelled ? null : flags.labelColumn,
    prompt: flags.promptColumn,
    completion: flags.completionColumn,
    words: flags.wordsColumn,
    tags: flags.tagsColumn,
  });
  if (parsed.success) return parsed.data;
  throw new FedrotError('option_invalid', `--…-column: ${parsed.error.issues.map(issueText).join('; ')}`);
}

function wholeNumber(text: string, flag: string): number {
  const value = readValue('number', text, flag) as number;
  if (Number.isInteger(value) && value >= 1) return value;
  throw new FedrotError('option_invalid', `${flag} ${text}: must be a whole number of at least 1`);
}

/** The adapter of a folder, or one that changes nothing: B = 0. */
async function adapterOf(bundle: Bundle, folder: string | undefined): Promise<AdapterInput> {
  const [{ loadAdapter }, { initialAdapter }] = await Promise.all([
    import('../../model/load-adapter.js'),
    import('../../model/initial-adapter.js'),
  ]);
  if (folder !== undefined) return loadAdapter(folder);
  const [first] = bundle.manifest.modules.adaptable;
  const settings = {
    rank: 1,
    alpha: 1,
    rsLora: false,
    targetModules: [first?.name ?? ''],
    modulesToSave: [],
  };
  return { settings, tensors: initialAdapter(bundle, settings, 0) };
}

/** `fedrot evaluate`: what a silo's evaluator does, on one file and one adapter. */
export const build: BuildCommand = (context) =>
  leaf('evaluate', 'score a bundle, with an adapter or without, on a data file')
    .argument('<file>', 'examples: JSONL, CSV or TSV')
    .addOption(new Option('--bundle <folder>', 'the base model’s bundle').makeOptionMandatory())
    .addOption(new Option('--adapter <folder>', 'folder of an adapter (fedrot adapter get, or PEFT)'))
    .addOption(
      new Option('--format <format>', 'of the file; auto goes by its ending')
        .choices(FORMATS)
        .default('auto'),
    )
    .addOption(new Option('--text-column <name>', 'column with the text').default('text'))
    .addOption(new Option('--text-pair-column <name>', 'column with the second text of a pair'))
    .addOption(
      new Option('--label-column <name>', 'column with the label; language models need none').default(
        'label',
      ),
    )
    .addOption(new Option('--prompt-column <name>', 'column with the prompt; with --completion-column'))
    .addOption(new Option('--completion-column <name>', 'column with what follows the prompt'))
    .addOption(new Option('--words-column <name>', 'column with the words of a text; with --tags-column'))
    .addOption(new Option('--tags-column <name>', 'column with a label for each word'))
    .addOption(
      new Option(
        '--max-tokens <number>',
        'tokens a text is cut to (default: what the model takes, at most 512)',
      ),
    )
    .addOption(new Option('--batch-size <number>', 'examples at once').default('16'))
    .addOption(new Option('--threads <number>', 'of ONNX Runtime (default: all cores)'))
    .addOption(jsonOption())
    .action(async (file: string, flags: EvaluateFlags) => {
      const [{ openBundle }, { readExamples }, { LocalTrainer }, { openSession }, { parseRunSpec }] =
        await Promise.all([
          import('../../model/bundle.js'),
          import('../../client/data/read-examples.js'),
          import('../../client/training/local-trainer.js'),
          import('../../train/session.js'),
          import('../../run-spec.js'),
        ]);
      const bundle = await openBundle(flags.bundle, { verify: false });
      const { kind, labels } = bundle.manifest.task;
      const maxTokens =
        flags.maxTokens === undefined
          ? Math.min(bundle.manifest.model.maxTokens, LONGEST)
          : wholeNumber(flags.maxTokens, '--max-tokens');
      const { settings, tensors } = await adapterOf(bundle, flags.adapter);
      const spec = parseRunSpec(
        {
          name: 'evaluate',
          bundle: bundle.sha256,
          task: { kind, ...(labels.length > 0 && { labels }), maxTokens },
          lora: { ...settings, dropout: 0 },
          training: { batchSize: wholeNumber(flags.batchSize, '--batch-size') },
        },
        'the options',
      );
      const examples = await readExamples(file, {
        format: flags.format,
        columns: await columnsOf(flags, bundle),
      });
      const threads = flags.threads === undefined ? undefined : wholeNumber(flags.threads, '--threads');
      const trainer = new LocalTrainer({ open: openSession, ...(threads !== undefined && { threads }) });
      try {
        const result = await trainer.evaluate({
          bundle,
          spec,
          adapter: tensors,
          data: { path: file, examples },
        });
        const { macroF1: _f1, metrics, ...rest } = result;
        const scores = Object.entries({ ...rest, ...metrics }).filter(([, value]) => !Number.isNaN(value));
        if (flags.json === true) context.out(`${JSON.stringify(Object.fromEntries(scores))}\n`);
        else
          for (const [name, value] of scores)
            context.out(
              `${name.padEnd(10)} ${Number.isInteger(value) ? String(value) : formatNumber(value, 4)}\n`,
            );
      } finally {
        await trainer.close();
      }
    });
