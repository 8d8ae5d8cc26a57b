import type { Command } from 'commander';
import { coordinatorAddress, coordinatorOption, withAdmin } from '../admin/connect.js';
import { credentialOption } from '../admin/security.js';
import { group, jsonOption, leaf, type BuildCommand } from '../command.js';
import { formatBytes } from '../format.js';
import type { BundleInfo } from '../../rpc/gen/fedrot/v1/BundleInfo.js';
import { formatTable, type Column } from '../table.js';
import { buildCreate } from './bundle-create.js';
import { buildSign } from './bundle-sign.js';

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
