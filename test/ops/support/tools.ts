import { spawnSync } from 'node:child_process';

/** Whether a program runs here; `scripts/prometheus.mjs` installs what the checks need. */
export const hasTool = (tool: string): boolean =>
  spawnSync(tool, ['--version'], { stdio: 'ignore' }).status === 0;

/** Runs a program to its end; its exit code and everything that it printed. */
export function runTool(
  tool: string,
  args: readonly string[],
  cwd?: string,
): { status: number | null; text: string } {
  const { status, stdout, stderr } = spawnSync(tool, args, {
    encoding: 'utf8',
    ...(cwd !== undefined && { cwd }),
  });
  return { status, text: `${stdout}${stderr}` };
}
