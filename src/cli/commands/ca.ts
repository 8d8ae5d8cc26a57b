import { Option, type Command } from 'commander';
import { coordinatorAddress, coordinatorOption, withAdmin } from '../admin/connect.js';
import { credentialOption } from '../admin/security.js';
import { group, jsonOption, leaf, type BuildCommand } from '../command.js';

const buildShow: BuildCommand = (context) =>
  leaf('show', "show the consortium's authority: fingerprint, certificate, or list of revoked certificates")
    .addOption(new Option('--pem', "the authority's certificate in PEM"))
    .addOption(new Option('--crl', 'the revoked certificates as X.509 CRL, for proxies'))
    .addOption(coordinatorOption())
    .addOption(credentialOption())
    .addOption(jsonOption())
    .action(async (flags: { pem?: boolean; crl?: boolean; json?: boolean }, command: Command) => {
      const { rootsPem, fingerprint, crlPem, coordinator } = await withAdmin(
        coordinatorAddress(command, context),
        (admin) => admin.getAuthority({}),
      );
      if (flags.json === true)
        context.out(`${JSON.stringify({ coordinator, fingerprint, roots: rootsPem, crl: crlPem })}\n`);
      else if (flags.pem === true) context.out(rootsPem);
      else if (flags.crl === true) context.out(crlPem);
      else context.out(`coordinator ${coordinator}\nfingerprint ${fingerprint}\n`);
    });

export const build: BuildCommand = (context) =>
  group('ca', "look at the consortium's authority", [buildShow(context)]);
