import { runCli } from '../../../src/cli/program.js';

export interface CliResult {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a command line in this process with an environment of its own. */
export async function cli(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<CliResult> {
  let out = '';
  let err = '';
  const code = await runCli(args, {
    environment,
    out: (text) => void (out += text),
    err: (text) => void (err += text),
    terminal: false,
  });
  return { code, out, err };
}
