import { Option } from 'commander';
import { jsonOption, leaf, type BuildCommand } from '../command.js';
import { formatBytes } from '../format.js';

interface MergeFlags {
  readonly bundle: string;
  readonly out: string;
  readonly json?: boolean;
}

/** `fedrot adapter merge`: one model with the adapter in its weights. */
export const buildMerge: BuildCommand = (context) =>
  leaf('merge', 'write a model with the adapter in its weights, for any ONNX Runtime')
    .argument('<adapter>', 'folder of the adapter (fedrot adapter get, or PEFT)')
    .addOption(new Option('--bundle <folder>', 'the base model’s bundle').makeOptionMandatory())
    .addOption(
      new Option(
        '-o, --out <folder>',
        'the new folder: onnx/model.onnx, config.json, tokenizer.json',
      ).makeOptionMandatory(),
    )
    .addOption(jsonOption())
    .action(async (adapter: string, flags: MergeFlags) => {
      const [{ openBundle }, { loadAdapter }, { writeMerged }] = await Promise.all([
        import('../../model/bundle.js'),
        import('../../model/load-adapter.js'),
        import('../../model/write-merged.js'),
      ]);
      const bundle = await openBundle(flags.bundle, { verify: false });
      const written = await writeMerged(bundle, await loadAdapter(adapter), flags.out);
      const { folder, file, bytes, merged, attached } = written;
      if (flags.json === true) {
        context.out(`${JSON.stringify({ folder, file, bytes, merged: merged.length, attached })}\n`);
        return;
      }
      context.out(`${folder}/${file}, ${formatBytes(bytes)}: ${merged.length} modules merged\n`);
      if (attached.length > 0)
        context.out(
          `beside their weights, which are packed or shared with the embedding: ${attached.join(', ')}\n`,
        );
    });
