import { Option } from 'commander';
import { FedrotError } from '../../errors.js';
import type { CreateBundleOptions, CreatedBundle } from '../../model/create-bundle.js';
import { jsonOption, leaf, type BuildCommand } from '../command.js';
import { readValue } from '../config/read-value.js';
import type { CliContext } from '../context.js';
import { formatBytes } from '../format.js';

interface CreateFlags {
  readonly checkpoint?: string;
  readonly onnx?: string;
  readonly out: string;
  readonly task?: NonNullable<CreateBundleOptions['task']>;
  readonly labels?: string;
  readonly tokenizer?: string;
  readonly maxTokens?: string;
  readonly quantize?: keyof typeof BITS;
  readonly blockSize: keyof typeof BLOCKS;
  readonly name?: string;
  readonly head: 'auto' | 'new';
  readonly pooling?: NonNullable<CreateBundleOptions['pooling']>;
  readonly seed: string;
  readonly json?: boolean;
}

const BITS = { '4bit': 4, '8bit': 8 } as const;
const BLOCKS = { '32': 32, '64': 64, '128': 128 } as const;
/** As src/model/tasks.ts has them; written out so that `--help` loads no model code. */
const TASKS = ['text-classification', 'text-regression', 'token-classification', 'causal-lm'];
/** As src/model/architectures/pooling.ts has them. */
const POOLINGS = ['cls', 'mean'];

function number(value: string | undefined, flag: string): number | undefined {
  return value === undefined ? undefined : (readValue('number', value, flag) as number);
}

function optionsOf(given: string | undefined, flags: CreateFlags): CreateBundleOptions {
  const { checkpoint = given, onnx, quantize, labels } = flags;
  if (given !== undefined && flags.checkpoint !== undefined)
    throw new FedrotError('option_invalid', 'name the checkpoint once: as an argument or with --checkpoint');
  return {
    checkpoint,
    onnx,
    out: flags.out,
    task: flags.task,
    labels: labels === undefined ? undefined : (readValue('list', labels, '--labels') as string[]),
    tokenizer: flags.tokenizer,
    maxTokens: number(flags.maxTokens, '--max-tokens'),
    quantize: quantize === undefined ? undefined : { bits: BITS[quantize], block: BLOCKS[flags.blockSize] },
    name: flags.name,
    head: flags.head,
    pooling: flags.pooling,
    seed: number(flags.seed, '--seed') ?? 0,
  };
}

function print(context: CliContext, created: CreatedBundle, json: boolean): void {
  const { sha256, folder, manifest, unusedTensors } = created;
  const bytes = manifest.files.reduce((sum, file) => sum + file.bytes, 0);
  if (json) {
    const { kind, labels } = manifest.task;
    const summary = { bundle: sha256, folder, bytes, task: kind, labels, unused_tensors: unusedTensors };
    context.out(`${JSON.stringify(summary)}\n`);
    return;
  }
  context.out(`bundle ${sha256}\n${folder}, ${manifest.task.kind}, ${formatBytes(bytes)}\n`);
  const made = manifest.modules.made?.names;
  if (made !== undefined) context.out(`new, drawn at random: ${made.join(', ')}\n`);
  if (unusedTensors.length > 0) context.out(`not used of the checkpoint: ${unusedTensors.join(', ')}\n`);
}

/** `fedrot bundle create`: from a Hugging Face checkpoint, a llama2.c checkpoint or an ONNX export. */
export const buildCreate: BuildCommand = (context) =>
  leaf('create', 'make a bundle from a checkpoint or an ONNX export')
    .argument('[checkpoint]', 'the same as --checkpoint')
    .addOption(
      new Option(
        '--checkpoint <path>',
        'Hugging Face folder (config.json, *.safetensors, tokenizer.json), or a llama2.c file; with --onnx it names the modules',
      ),
    )
    .addOption(new Option('--onnx <file>', 'ONNX export, its external data and config.json beside it'))
    .addOption(new Option('-o, --out <folder>', 'the new folder').makeOptionMandatory())
    .addOption(
      new Option('--task <kind>', 'what the model is for (default: what it has a head for)').choices(TASKS),
    )
    .addOption(
      new Option(
        '--labels <a,b,…>',
        "class names in the order of the class index (default: the checkpoint's)",
      ),
    )
    .addOption(
      new Option(
        '--tokenizer <path>',
        'tokenizer.json, its folder, or a llama2.c tokenizer.bin (default: beside the model)',
      ),
    )
    .addOption(
      new Option('--max-tokens <number>', "longest sequence of an ONNX export (default: config.json's)"),
    )
    .addOption(
      new Option('--quantize <bits>', 'pack the linear weights; LoRA trains beside them').choices(
        Object.keys(BITS),
      ),
    )
    .addOption(
      new Option('--block-size <number>', 'weights that share a scale')
        .choices(Object.keys(BLOCKS))
        .default('32'),
    )
    .addOption(new Option('--name <name>', 'what the base model is called on a hub'))
    .addOption(
      new Option('--head <which>', 'auto takes the head of the checkpoint')
        .choices(['auto', 'new'])
        .default('auto'),
    )
    .addOption(
      new Option(
        '--pooling <which>',
        'what a new head of an encoder reads: cls, the first token (default), or mean, the mean of all tokens (sentence encoders)',
      ).choices(POOLINGS),
    )
    .addOption(new Option('--seed <number>', 'what a new head is drawn from').default('0'))
    .addOption(jsonOption())
    .action(async (checkpoint: string | undefined, flags: CreateFlags) => {
      const { createBundle } = await import('../../model/create-bundle.js');
      print(context, await createBundle(optionsOf(checkpoint, flags)), flags.json === true);
    });
