import { Option } from 'commander';
import { leaf, type BuildCommand } from '../command.js';
import { variable } from '../env.js';
import { formatTime } from '../format.js';

interface EnrolFlags {
  readonly coordinator: string;
  readonly token?: string;
  readonly fingerprint: string;
  readonly folder?: string;
  readonly credential?: string;
  readonly roots?: string;
  readonly proxy?: string;
  readonly signed?: boolean;
  readonly json?: boolean;
}

/** `host` as `host:9470`. */
const withPort = (address: string): string => (/:\d{1,5}$/.test(address) ? address : `${address}:9470`);

export const build: BuildCommand = (context) =>
  leaf('enrol', 'join a consortium: make a key here and get its certificate for a token')
    .addOption(new Option('--coordinator <host:port>', 'the coordinator').makeOptionMandatory())
    .addOption(
      new Option(
        '--token <token>',
        'from the operator (env: FEDROT_TOKEN, which keeps it out of the list of processes)',
      ),
    )
    .addOption(
      new Option(
        '--fingerprint <sha256>',
        "of the consortium's authority, from the operator",
      ).makeOptionMandatory(),
    )
    .addOption(
      new Option(
        '--folder <folder>',
        "a silo's folder; the credential goes into credential/ there (default: ./fedrot-silo, env: FEDROT_FOLDER)",
      ),
    )
    .addOption(
      new Option(
        '--credential <folder>',
        'where the credential goes; for operators and signers (default for those: ~/.fedrot/operator)',
      ),
    )
    .addOption(
      new Option(
        '--roots <file>',
        "PEM of authorities of the server's certificate, where it is a balancer's or a company's; `system` for those of Node",
      ),
    )
    .addOption(new Option('--proxy <url>', 'HTTP proxy, http://host:port'))
    .addOption(
      new Option('--signed', 'the coordinator stands behind a load balancer that ends TLS: sign requests'),
    )
    .addOption(new Option('--json', 'print JSON, for machines'))
    .action(async (flags: EnrolFlags) => {
      const { enrolParty } = await import('../enrol-party.js');
      const token = flags.token ?? variable(context.environment, 'FEDROT_TOKEN') ?? '';
      const folder = flags.folder ?? variable(context.environment, 'FEDROT_FOLDER') ?? './fedrot-silo';
      const done = await enrolParty({
        ...flags,
        token,
        siloFolder: folder,
        coordinator: withPort(flags.coordinator),
      });
      const { identity, serial, notAfterMs } = done.facts;
      if (flags.json === true)
        context.out(
          `${JSON.stringify({ ...identity, serial, not_after_ms: notAfterMs, folder: done.folder })}\n`,
        );
      else
        context.out(
          [
            `enrolled as ${identity.kind} ${identity.name}; key and certificate in ${done.folder} (valid until ${formatTime(notAfterMs)}, renewed by itself)`,
            ...(identity.kind === 'silo' ? [`next: fedrot client --folder ${folder} --data-train FILE`] : []),
            '',
          ].join('\n'),
        );
    });
