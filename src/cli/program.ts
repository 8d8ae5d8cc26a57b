import { Command, CommanderError } from 'commander';
import { packageVersion } from '../version.js';
import type { BuildCommand } from './command.js';
import type { CliContext } from './context.js';
import { Exit, failureText } from './failure.js';

interface Entry {
  readonly name: string;
  readonly summary: string;
  /** Loaded only when the command is used, so that `fedrot --help` is quick and the coordinator needs no ONNX Runtime. */
  readonly load: () => Promise<{ readonly build: BuildCommand }>;
}

const ENTRIES: readonly Entry[] = [
  {
    name: 'coordinator',
    summary: 'run the coordinator: rounds, alignment, adapters',
    load: () => import('./commands/coordinator.js'),
  },
  {
    name: 'client',
    summary: "run a silo's daemon: train or evaluate on local data",
    load: () => import('./commands/client.js'),
  },
  {
    name: 'run',
    summary: 'create, list, show, watch, pause, resume and stop runs; their logs',
    load: () => import('./commands/run.js'),
  },
  {
    name: 'adapter',
    summary: 'list, fetch, compare, roll back and merge adapters',
    load: () => import('./commands/adapter.js'),
  },
  {
    name: 'bundle',
    summary: 'make a bundle of model and tokenizer, push it, list them',
    load: () => import('./commands/bundle.js'),
  },
  {
    name: 'evaluate',
    summary: 'score a bundle, with an adapter or without, on a data file',
    load: () => import('./commands/evaluate.js'),
  },
  {
    name: 'generate',
    summary: "continue a text with a bundle's language model",
    load: () => import('./commands/generate.js'),
  },
  {
    name: 'silo',
    summary: 'list, show, revoke and readmit silos',
    load: () => import('./commands/silo.js'),
  },
  {
    name: 'operator',
    summary: 'revoke and readmit operators',
    load: () => import('./commands/operator.js'),
  },
  {
    name: 'token',
    summary: 'make, list and revoke enrolment tokens',
    load: () => import('./commands/token.js'),
  },
  { name: 'enrol', summary: 'join a consortium with a token', load: () => import('./commands/enrol.js') },
  { name: 'ca', summary: "look at the consortium's authority", load: () => import('./commands/ca.js') },
  {
    name: 'audit',
    summary: 'verify, replay and show what happened',
    load: () => import('./commands/audit.js'),
  },
  {
    name: 'journal',
    summary: 'show everything that a silo has sent',
    load: () => import('./commands/journal.js'),
  },
  {
    name: 'consent',
    summary: "a silo administrator's decisions on runs",
    load: () => import('./commands/consent.js'),
  },
  {
    name: 'simulate',
    summary: 'compare methods and settings on this machine: a grid of federated runs',
    load: () => import('./commands/simulate.js'),
  },
  {
    name: 'doctor',
    summary: 'check a silo from where its daemon runs, and say what to fix',
    load: () => import('./commands/doctor.js'),
  },
  {
    name: 'completion',
    summary: 'print a completion script for bash, zsh or fish',
    load: () => import('./commands/completion.js'),
  },
  {
    name: 'backup',
    summary: "copy a coordinator's data while it runs",
    load: () => import('./commands/backup.js'),
  },
  {
    name: 'restore',
    summary: "make a coordinator's data folder from a backup",
    load: () => import('./commands/restore.js'),
  },
  {
    name: 'demo',
    summary: 'the whole thing on this machine, on real e-mails',
    load: () => import('./commands/demo.js'),
  },
];

export const COMMAND_NAMES = ENTRIES.map(({ name }) => name);

/** Commander's own output and exits go through the context, in this command and all below it. */
function tame(command: Command, { out, err }: CliContext): void {
  command.exitOverride();
  command.configureOutput({ writeOut: out, writeErr: err, outputError: () => undefined });
  for (const child of command.commands) tame(child, { out, err } as CliContext);
}

/** Every command with everything below it: for completion. */
export async function wholeProgram(context: CliContext): Promise<Command> {
  const program = new Command('fedrot');
  for (const { load } of ENTRIES) program.addCommand((await load()).build(context));
  return program;
}

async function createProgram(args: readonly string[], context: CliContext): Promise<Command> {
  const program = new Command('fedrot')
    .description('Federated LoRA fine-tuning across data silos: rotation-aligned averaging over gRPC.')
    .version(packageVersion(), '-V, --version')
    .enablePositionalOptions();
  // `fedrot help run` is `fedrot run --help`.
  const words = args.filter((arg) => !arg.startsWith('-'));
  const asked = words[0] === 'help' ? words[1] : words[0];
  for (const { name, summary, load } of ENTRIES) {
    const command =
      name === asked
        ? (await load()).build({ ...context, wholeProgram: () => wholeProgram(context) })
        : new Command(name).description(summary);
    program.addCommand(command);
  }
  tame(program, context);
  return program;
}

/** `error: unknown option '--x'\n(Did you mean --y?)` as one sentence that says where to look. */
function usageText(error: CommanderError, args: readonly string[]): string {
  const message = error.message.replace(/^error: /, '');
  const command = ['fedrot', ...args.filter((arg) => COMMAND_NAMES.includes(arg)).slice(0, 1)].join(' ');
  return `${message}; see ${command} --help`;
}

/** Runs one command line; resolves with the exit code: 0, 1 on failure, 128 + signal where a signal ended it. */
export async function runCli(args: readonly string[], context: CliContext): Promise<number> {
  const verbose = args.includes('--verbose');
  try {
    const program = await createProgram(args, context);
    await program.parseAsync(args, { from: 'user' });
    return 0;
  } catch (thrown) {
    if (thrown instanceof Exit) return thrown.exitCode;
    if (!(thrown instanceof CommanderError)) {
      context.err(failureText(thrown, verbose));
      return 1;
    }
    if (thrown.exitCode === 0) return 0; // --help, --version
    // A group without its subcommand prints its help instead of an error.
    if (thrown.code === 'commander.help') return 1;
    context.err(failureText(usageText(thrown, args), false));
    return 1;
  }
}
