import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { repoPath } from '../../support/repo.js';
import { buildah, IMAGES, possible, runTool, TOOL } from './images.js';

/** Where root's settings are in the images. */
const CONTAINER_HOME = join('/', 'root');

/** What git knows, as a clone would have it. */
function clone(folder: string): void {
  mkdirSync(folder);
  const input = runTool('git', ['ls-files', '-z'], repoPath('.'));
  const copied = spawnSync('sh', ['-c', `tar c --null -T - | tar x -C ${folder}`], {
    cwd: repoPath('.'),
    input,
  });
  if (copied.status !== 0) throw new Error(`copying the repository: ${copied.stderr.toString()}`);
}

declare module 'vitest' {
  interface ProvidedContext {
    /** The clone that the images were built from; empty where those of before are used. */
    readonly context: string;
  }
}

/** Builds the images of the Dockerfile once for all tests of them. FEDROT_IMAGES=built takes those of a moment ago. */
export default function setup(project: TestProject): (() => void) | undefined {
  project.provide('context', '');
  if (!possible) {
    process.stderr.write(
      `fedrot: container images are not built here: that takes root on Linux and ${TOOL}\n`,
    );
    return undefined;
  }
  if (process.env.FEDROT_IMAGES === 'built') return undefined;
  const folder = mkdtempSync(join(tmpdir(), 'fedrot-context-'));
  const context = join(folder, 'context');
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  try {
    clone(context);
    runTool('bash', [TOOL, '-t', IMAGES.coordinator, '.'], context);
    const rc = runTool('npm', ['config', 'get', 'userconfig']).trim();
    for (const target of ['client', 'trial'] as const)
      buildah(
        ...['build', '--isolation', 'chroot', '--pull-never', '--layers'],
        ...(existsSync(rc) ? ['-v', `${rc}:${join(CONTAINER_HOME, '.npmrc')}:ro`] : []),
        ...['--target', target, '-t', IMAGES[target], '-f', join(context, 'Dockerfile'), context],
      );
  } catch (thrown) {
    remove();
    throw thrown;
  }
  project.provide('context', context);
  return remove;
}
