import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Option } from 'commander';
import { SIGNATURE_FILE } from '../../bundle-names.js';
import { FedrotError } from '../../errors.js';
import { leaf, type BuildCommand } from '../command.js';

export const buildSign: BuildCommand = (context) =>
  leaf('sign', 'sign a bundle as a signer of the consortium; `fedrot bundle push` sends the signature along')
    .argument('<folder>', 'folder of the bundle')
    .addOption(
      new Option(
        '--credential <folder>',
        "the signer's key and certificate (fedrot token create --signer)",
      ).makeOptionMandatory(),
    )
    .action(async (folder: string, flags: { credential: string }) => {
      const [{ openBundle }, { readCredential }, { signBundle }, { toPem }] = await Promise.all([
        import('../../model/bundle.js'),
        import('../../pki/credential-files.js'),
        import('../../evidence/bundle-signature.js'),
        import('../../pki/certificate.js'),
      ]);
      const bundle = await openBundle(folder, { verify: true });
      const { key, certificates, facts } = readCredential(flags.credential);
      if (facts.identity.kind !== 'signer')
        throw new FedrotError(
          'option_invalid',
          `${flags.credential}: is the credential of a ${facts.identity.kind}, not of a signer`,
        );
      await writeFile(join(folder, SIGNATURE_FILE), signBundle(bundle.sha256, key, toPem(certificates)));
      context.out(`bundle ${bundle.sha256} signed by ${facts.identity.name}\n`);
    });
