// Runs a command on Node 24, the version of the container images. The binary comes from the npm registry (package
// node-<platform>-<arch>) and is kept in .cache.
//
//   node scripts/node24.mjs node_modules/vitest/vitest.mjs run
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const VERSION = '24.21.0';

const root = fileURLToPath(new URL('..', import.meta.url));
const windows = process.platform === 'win32';
const pkg = `node-${windows ? 'win' : process.platform}-${process.arch}`;
const home = join(root, '.cache', `node-${VERSION}`);
const binary = join(home, 'node_modules', pkg, 'bin', windows ? 'node.exe' : 'node');

if (!existsSync(binary)) {
  process.stderr.write(`fedrot: fetching Node ${VERSION} (${pkg})\n`);
  mkdirSync(home, { recursive: true });
  const args = [
    'install',
    '--prefix',
    home,
    '--no-save',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    `${pkg}@${VERSION}`,
  ];
  const { status } = spawnSync('npm', args, { stdio: ['ignore', 2, 2], shell: windows });
  if (status !== 0 || !existsSync(binary)) {
    process.stderr.write(
      `fedrot: Node ${VERSION} could not be fetched: \`npm install ${pkg}@${VERSION}\` failed\n`,
    );
    process.exit(1);
  }
}

// First in PATH, so that processes that tests start by the name `node` run on it as well.
const env = { ...process.env, PATH: `${dirname(binary)}${delimiter}${process.env.PATH ?? ''}` };
const { status } = spawnSync(binary, process.argv.slice(2), { cwd: root, stdio: 'inherit', env });
process.exit(status ?? 1);
