import { Command, Option } from 'commander';
import type { CliContext } from './context.js';

/** Builds one of fedrot's commands; the module that holds it is loaded only when the command is asked for. */
export type BuildCommand = (context: CliContext) => Command;

/** A command that does something, with the options that all of them share. */
export function leaf(name: string, summary: string): Command {
  return new Command(name)
    .description(summary)
    .addOption(new Option('--verbose', 'on failure print the stack too'))
    .showHelpAfterError(false);
}

/** A command that only groups others. */
export function group(name: string, summary: string, children: readonly Command[]): Command {
  const command = new Command(name).description(summary);
  for (const child of children) command.addCommand(child);
  return command;
}

/** The option of every command that prints data. */
export const jsonOption = (): Option => new Option('--json', 'print JSON, for machines');
