import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { repoPath } from '../../support/repo.js';

/** Builds a Dockerfile where there is no container engine; not part of the project. */
export const TOOL = join(process.env.FEDROT_SHARED ?? repoPath('../shared'), 'tools/image-rehearsal');

export const possible = existsSync(TOOL) && process.getuid?.() === 0 && process.platform === 'linux';

export const BASE = 'docker.io/library/node:24-bookworm-slim';

export const IMAGES = {
  coordinator: 'localhost/fedrot-coordinator',
  client: 'localhost/fedrot-client',
  trial: 'localhost/fedrot-trial',
} as const;
export type Target = keyof typeof IMAGES;

/** For buildah: no kernel features, and layers are kept between builds. */
export const BUILDAH_ENV = {
  ...process.env,
  STORAGE_DRIVER: 'vfs',
  BUILDAH_ISOLATION: 'chroot',
  BUILDAH_LAYERS: 'true',
};

/** What a program printed. Throws with the end of what it printed where it fails. */
export function runTool(file: string, args: readonly string[], cwd?: string): string {
  const { status, stdout, stderr } = spawnSync(file, args, {
    encoding: 'utf8',
    env: BUILDAH_ENV,
    maxBuffer: 64 * 2 ** 20,
    ...(cwd !== undefined && { cwd }),
  });
  if (status !== 0)
    throw new Error(`${file} ${args.join(' ')}: ended with ${status}\n${`${stdout}${stderr}`.slice(-4000)}`);
  return stdout;
}

export const buildah = (...args: string[]): string => runTool('buildah', args);

/** Of an image with everything below it, bytes. */
export function sizeOf(image: string): number {
  const [{ size = '' } = {}] = JSON.parse(buildah('images', '--json', image)) as { size?: string }[];
  const [, number = '0', unit = ''] = /^([\d.]+) (\w+)$/.exec(size) ?? [];
  return Number(number) * ({ kB: 1e3, KB: 1e3, MB: 1e6, GB: 1e9 }[unit] ?? 1);
}

interface Config {
  readonly OCIv1: {
    readonly config: {
      readonly User?: string;
      readonly Entrypoint?: readonly string[];
      readonly Cmd?: readonly string[];
      readonly Volumes?: object;
    };
  };
}
export const configOf = (image: string): Config['OCIv1']['config'] =>
  (JSON.parse(buildah('inspect', '--type', 'image', image)) as Config).OCIv1.config;
