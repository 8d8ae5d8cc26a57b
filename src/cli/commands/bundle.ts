import { Option, type Command } from 'commander';
import { coordinatorAddress, coordinatorOption, withAdmin } from '../admin/connect.js';
import { credentialOption } from '../admin/security.js';
import { group, jsonOption, leaf, type BuildCommand } from '../command.js';
import { formatBytes } from '../format.js';
import type { BundleInfo } from '../../rpc/gen/fedrot/v1/BundleInfo.js';
import { formatTable, type Column } from '../table.js';
import { buildSign } from './bundle-sign.js';
import { readValue } from '../config/read-value.js';

interface CreateFlags {
  readonly out: string;
  readonly labels?: string;
  readonly tokenizer?: string;
  readonly name?: string;
  readonly head: 'auto' | 'new';
  readonly seed: string;
  readonly json?: boolean;
}

const buildCreate: BuildCommand = (context) =>
  leaf('create', 'make a bundle from a Hugging Face checkpoint folder')
    .argument('<checkpoint>', 'folder with config.json, *.safetensors and tokenizer.json')
    .addOption(new Option('-o, --out <folder>', 'the new folder').makeOptionMandatory())
    .addOption(
      new Option(
        '--labels <a,b,…>',
        "class names in the order of the class index (default: the checkpoint's)",
      ),
    )
    .addOption(new Option('--tokenizer <folder>', 'folder of tokenizer.json (default: the checkpoint)'))
    .addOption(new Option('--name <name>', 'what the base model is called on a hub'))
    .addOption(
      new Option('--head <which>', 'auto takes the head of the checkpoint')
        .choices(['auto', 'new'])
        .default('auto'),
    )
    .addOption(new Option('--seed <number>', 'what a new head is drawn from').default('0'))
    .addOption(jsonOption())
    .action(async (checkpoint: string, flags: CreateFlags) => {
      const { createBundle } = await import('../../model/create-bundle.js');
      const labels = flags.labels === undefined ? undefined : readValue('list', flags.labels, '--labels');
      const created = await createBundle({
        checkpoint,
        out: flags.out,
        labels: labels as string[] | undefined,
        tokenizer: flags.tokenizer,
        name: flags.name,
        head: flags.head,
        seed: readValue('number', flags.seed, '--seed') as number,
      });
      const bytes = created.manifest.files.reduce((sum, file) => sum + file.bytes, 0);
      if (flags.json === true) {
        const { sha256, folder, manifest, unusedTensors } = created;
        const summary = {
          bundle: sha256,
          folder,
          bytes,
          labels: manifest.task.labels,
          unused_tensors: unusedTensors,
        };
        context.out(`${JSON.stringify(summary)}\n`);
        return;
      }
      const made = created.manifest.modules.made?.names;
      context.out(`bundle ${created.sha256}\n${created.folder}, ${formatBytes(bytes)}\n`);
      if (made !== undefined) context.out(`new, drawn at random: ${made.join(', ')}\n`);
      if (created.unusedTensors.length > 0)
        context.out(`not used of the checkpoint: ${created.unusedTensors.join(', ')}\n`);
    });

const buildPush: BuildCommand = (context) =>
  leaf('push', 'send a bundle to the coordinator, which hands it to silos')
    .argument('<folder>', 'folder of the bundle')
    .addOption(coordinatorOption())
    .addOption(credentialOption())
    .addOption(jsonOption())
    .action(async (folder: string, options: { json?: boolean }, command: Command) => {
      const [{ openBundle }, { pushBundle }] = await Promise.all([
        import('../../model/bundle.js'),
        import('../admin/push-bundle.js'),
      ]);
      const bundle = await openBundle(folder, { verify: true });
      const sent = await withAdmin(coordinatorAddress(command, context), (admin) =>
        pushBundle(admin, bundle),
      );
      if (options.json === true)
        context.out(`${JSON.stringify({ bundle: bundle.sha256, sent_bytes: sent })}\n`);
      else if (sent === 0) context.out(`bundle ${bundle.sha256} was there already\n`);
      else context.out(`bundle ${bundle.sha256} sent, ${formatBytes(sent)}\n`);
    });

const COLUMNS: readonly Column<BundleInfo>[] = [
  { title: 'BUNDLE', value: ({ bundleSha256 }) => bundleSha256 },
  { title: 'SIZE', value: ({ bytes }) => formatBytes(bytes), align: 'right' },
  { title: 'COMPLETE', value: ({ complete }) => (complete ? 'yes' : 'no') },
];

const buildList: BuildCommand = (context) =>
  leaf('list', 'list the bundles that the coordinator holds')
    .addOption(coordinatorOption())
    .addOption(credentialOption())
    .addOption(jsonOption())
    .action(async (options: { json?: boolean }, command: Command) => {
      const { bundles } = await withAdmin(coordinatorAddress(command, context), (admin) =>
        admin.listBundles({}),
      );
      if (options.json === true)
        context.out(
          `${JSON.stringify(bundles.map(({ bundleSha256, bytes, complete }) => ({ bundle: bundleSha256, bytes, complete })))}\n`,
        );
      else context.out(formatTable(bundles, COLUMNS, 'no bundles yet; `fedrot bundle push` sends one'));
    });

export const build: BuildCommand = (context) =>
  group('bundle', 'make a bundle of model and tokenizer, push it, list them', [
    buildCreate(context),
    buildSign(context),
    buildPush(context),
    buildList(context),
  ]);
