import { Option } from 'commander';
import { FedrotError } from '../../errors.js';
import { jsonOption, leaf, type BuildCommand } from '../command.js';
import { readValue } from '../config/read-value.js';

interface GenerateFlags {
  readonly bundle: string;
  readonly adapter?: string;
  readonly maxNewTokens: string;
  readonly temperature: string;
  readonly topP: string;
  readonly seed: string;
  readonly threads: string;
  readonly json?: boolean;
}

/** `fedrot generate`: tries a language model, with an adapter or without, on a prompt. */
export const build: BuildCommand = (context) =>
  leaf('generate', 'continue a text with a bundle’s language model, with or without an adapter')
    .argument('<prompt>', 'the beginning of the text')
    .addOption(new Option('--bundle <folder>', 'the base model’s bundle').makeOptionMandatory())
    .addOption(new Option('--adapter <folder>', 'folder of an adapter (fedrot adapter get, or PEFT)'))
    .addOption(new Option('--max-new-tokens <number>', 'at most so many tokens').default('128'))
    .addOption(new Option('--temperature <number>', '0 takes the likeliest token each time').default('0'))
    .addOption(
      new Option('--top-p <number>', 'draws from the likeliest tokens of this probability').default('1'),
    )
    .addOption(new Option('--seed <number>', 'what is drawn derives from it').default('0'))
    .addOption(new Option('--threads <number>', 'of ONNX Runtime').default('2'))
    .addOption(jsonOption())
    .action(async (prompt: string, flags: GenerateFlags) => {
      const number = (value: string, flag: string): number => readValue('number', value, flag) as number;
      const [{ openBundle }, { loadAdapter }, { openLanguageModel }, { generate }] = await Promise.all([
        import('../../model/bundle.js'),
        import('../../model/load-adapter.js'),
        import('../../model/language-model.js'),
        import('../../model/generate.js'),
      ]);
      const threads = number(flags.threads, '--threads');
      if (!Number.isInteger(threads) || threads < 1)
        throw new FedrotError('option_invalid', `--threads ${flags.threads}: must be at least 1`);
      const bundle = await openBundle(flags.bundle, { verify: false });
      const adapter = flags.adapter === undefined ? undefined : await loadAdapter(flags.adapter);
      const model = await openLanguageModel(bundle, { adapter, threads });
      try {
        const made = await generate(model, await bundle.openTokenizer(), prompt, {
          maxNewTokens: number(flags.maxNewTokens, '--max-new-tokens'),
          temperature: number(flags.temperature, '--temperature'),
          topP: number(flags.topP, '--top-p'),
          seed: number(flags.seed, '--seed'),
        });
        const { text, completion, tokens, ended } = made;
        context.out(
          flags.json === true ? `${JSON.stringify({ text, completion, tokens, ended })}\n` : `${text}\n`,
        );
      } finally {
        await model.close();
      }
    });
