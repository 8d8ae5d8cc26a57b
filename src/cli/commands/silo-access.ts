import { Option, type Command } from 'commander';
import { FedrotError } from '../../errors.js';
import { coordinatorAddress, coordinatorOption, withAdmin } from '../admin/connect.js';
import { credentialOption } from '../admin/security.js';
import { leaf } from '../command.js';
import type { CliContext } from '../context.js';

type Kind = 'silo' | 'operator' | 'signer';

/** `revoke` for parties of a kind, by name or by the serial of one certificate. */
export function buildRevoke(kind: Kind, context: CliContext): Command {
  return leaf(
    'revoke',
    `put ${kind === 'operator' ? 'an' : 'a'} ${kind} out at once: its open connections end, later calls are refused`,
  )
    .argument('[name]', `name of the ${kind}`)
    .addOption(new Option('--serial <hex>', 'only this certificate, by its serial number'))
    .addOption(new Option('--reason <text>', 'kept in the audit log').default(''))
    .addOption(coordinatorOption())
    .addOption(credentialOption())
    .action(
      async (name: string | undefined, flags: { serial?: string; reason: string }, command: Command) => {
        if ((name === undefined) === (flags.serial === undefined))
          throw new FedrotError('option_invalid', `give the name of the ${kind}, or --serial`);
        const { connections } = await withAdmin(coordinatorAddress(command, context), (admin) =>
          admin.revokeParty({
            kind: name === undefined ? '' : kind,
            name: name ?? '',
            serial: flags.serial ?? '',
            reason: flags.reason,
          }),
        );
        const what = name === undefined ? `certificate ${flags.serial ?? ''}` : `${kind} ${name}`;
        context.out(`${what} revoked; ${connections} open connections ended\n`);
      },
    );
}

export function buildReadmit(kind: Kind, context: CliContext): Command {
  return leaf('readmit', `let a revoked ${kind} enrol again; its certificates so far stay revoked`)
    .argument('<name>', `name of the ${kind}`)
    .addOption(coordinatorOption())
    .addOption(credentialOption())
    .action(async (name: string, _flags: object, command: Command) => {
      const { certificates } = await withAdmin(coordinatorAddress(command, context), (admin) =>
        admin.readmitParty({ kind, name }),
      );
      context.out(
        `${kind} ${name} may enrol again (fedrot token create); ${certificates} certificates stay revoked\n`,
      );
    });
}
