import { spawnSync } from 'node:child_process';

/** The openssl command, an implementation that is independent of the library under test; undefined where there is none. */
export const opensslVersion: string | undefined = (() => {
  const { status, stdout } = spawnSync('openssl', ['version'], { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : undefined;
})();

export const opensslMissing = 'needs the openssl command';

export interface Ran {
  readonly ok: boolean;
  /** Both streams. */
  readonly output: string;
}

export function openssl(args: readonly string[], input?: string): Ran {
  const { status, stdout, stderr } = spawnSync('openssl', args, { encoding: 'utf8', input });
  return { ok: status === 0, output: `${stdout}${stderr}` };
}
