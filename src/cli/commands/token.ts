import { InvalidArgumentError, Option, type Command } from 'commander';
import { FedrotError } from '../../errors.js';
import type { Token } from '../../rpc/gen/fedrot/v1/Token.js';
import { isLoopback } from '../../pki/loopback.js';
import { splitAddress } from '../../rpc/address.js';
import { coordinatorAddress, coordinatorOption, withAdmin } from '../admin/connect.js';
import { credentialOption } from '../admin/security.js';
import { group, jsonOption, leaf, type BuildCommand } from '../command.js';
import { formatTime } from '../format.js';
import { formatTable, type Column } from '../table.js';

const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `24h`, `30m`, `7d`, `45s` in ms. */
export function parseLifetime(text: string): number {
  const [, count, unit = ''] = /^(\d{1,6})([smhd])$/.exec(text.trim()) ?? [];
  const factor = UNITS[unit];
  if (count === undefined || factor === undefined)
    throw new InvalidArgumentError('must be a number with s, m, h or d, for example 24h');
  return Number(count) * factor;
}

/** Where the credential goes, beside a silo's, which is the default. */
const PLACES: Readonly<Record<string, string>> = {
  operator: ' --credential ~/.fedrot/operator',
  signer: ' --credential ~/.fedrot/signer',
};

interface CreateFlags {
  readonly silo?: string;
  readonly operator?: string;
  readonly signer?: string;
  readonly dashboard?: string;
  readonly role?: string;
  readonly lifetime?: number;
  readonly json?: boolean;
}

function whom({ silo, operator, signer, dashboard, role = '' }: CreateFlags): {
  kind: string;
  name: string;
  role: string;
} {
  const named = Object.entries({ silo, operator, signer, dashboard }).filter(
    ([, name]) => name !== undefined,
  );
  const [[kind, name] = ['', '']] = named;
  if (named.length !== 1 || name === undefined)
    throw new FedrotError('option_invalid', 'say for whom: one of --silo, --operator, --signer, --dashboard');
  if (['operator', 'dashboard'].includes(kind) !== (role !== ''))
    throw new FedrotError(
      'option_invalid',
      '--role (viewer, operator or admin) belongs to --operator and --dashboard',
    );
  return { kind, name, role };
}

const buildCreate: BuildCommand = (context) =>
  leaf('create', 'make a one-time token with which one party enrols')
    .addOption(new Option('--silo <name>', 'for a silo of this name'))
    .addOption(new Option('--operator <name>', 'for an operator of this name'))
    .addOption(new Option('--signer <name>', 'for a signer of bundles of this name'))
    .addOption(
      new Option(
        '--dashboard <name>',
        'not to enrol: signs this person in to the dashboard, again and again',
      ),
    )
    .addOption(
      new Option('--role <role>', 'of the operator, or on the dashboard').choices([
        'viewer',
        'operator',
        'admin',
      ]),
    )
    .addOption(
      new Option(
        '--lifetime <time>',
        'how long it can be used, 1s to 30d (default: 24h); for the dashboard to 365d (default: 90d)',
      ).argParser(parseLifetime),
    )
    .addOption(coordinatorOption())
    .addOption(credentialOption())
    .addOption(jsonOption())
    .action(async (flags: CreateFlags, command: Command) => {
      const target = coordinatorAddress(command, context);
      const created = await withAdmin(target, (admin) =>
        admin.createToken({ ...whom(flags), lifetimeMs: flags.lifetime ?? 0 }),
      );
      const { token, fingerprint, record } = created;
      // From the coordinator's own machine it has another name than the party has to use.
      const own = isLoopback(splitAddress(target.address).host);
      const address = own && created.address !== '' ? created.address : target.address;
      if (flags.json === true) {
        context.out(
          `${JSON.stringify({ token, fingerprint, coordinator: address, id: record?.id, expires_ms: record?.expiresMs })}\n`,
        );
        return;
      }
      if (record?.kind === 'dashboard') {
        context.out(
          [
            `token ${record.id} for ${record.name} (${record.role}) on the dashboard, good until ${formatTime(record.expiresMs)}; shown only now:`,
            '',
            `  ${token}`,
            '',
          ].join('\n'),
        );
        return;
      }
      const place = PLACES[record?.kind ?? ''] ?? '';
      context.out(
        [
          `token ${record?.id ?? ''} for ${record?.kind ?? ''} ${record?.name ?? ''}, good once until ${formatTime(record?.expiresMs ?? 0)}`,
          'Tell it to the party over a channel that you trust; it is shown only now:',
          '',
          `  fedrot enrol --coordinator ${address} --token ${token} --fingerprint ${fingerprint}${place}`,
          '',
        ].join('\n'),
      );
    });

const COLUMNS: readonly Column<Token>[] = [
  { title: 'TOKEN', value: ({ id }) => id },
  { title: 'FOR', value: ({ kind, name, role }) => `${kind} ${name}${role === '' ? '' : ` (${role})`}` },
  { title: 'STATE', value: ({ state }) => state },
  { title: 'BY', value: ({ createdBy }) => createdBy },
  { title: 'EXPIRES', value: ({ expiresMs }) => formatTime(expiresMs) },
  { title: 'USED', value: ({ usedMs }) => formatTime(usedMs) },
];

const buildList: BuildCommand = (context) =>
  leaf('list', 'list tokens and what became of them')
    .addOption(coordinatorOption())
    .addOption(credentialOption())
    .addOption(jsonOption())
    .action(async (options: { json?: boolean }, command: Command) => {
      const { tokens } = await withAdmin(coordinatorAddress(command, context), (admin) =>
        admin.listTokens({}),
      );
      context.out(
        options.json === true ? `${JSON.stringify(tokens)}\n` : formatTable(tokens, COLUMNS, 'no tokens'),
      );
    });

const buildRevoke: BuildCommand = (context) =>
  leaf('revoke', 'make a token that was not used yet worthless')
    .argument('<id>', 'id of the token, as in the list')
    .addOption(coordinatorOption())
    .addOption(credentialOption())
    .action(async (id: string, _options: object, command: Command) => {
      await withAdmin(coordinatorAddress(command, context), (admin) => admin.revokeToken({ id }));
      context.out(`token ${id} revoked\n`);
    });

export const build: BuildCommand = (context) =>
  group('token', 'make, list and revoke enrolment tokens', [
    buildCreate(context),
    buildList(context),
    buildRevoke(context),
  ]);
