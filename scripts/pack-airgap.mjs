// fedrot and everything that it needs but Node.js, in one archive for machines without a network: `npm run pack:airgap`. For the platform
// that it runs on. Needs no network itself once `npm ci` has run.
//
//   node scripts/pack-airgap.mjs [--out FOLDER] [--with-node]
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { writeProductionTree } from './production-tree.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const { values } = parseArgs({
  options: { out: { type: 'string', default: '.' }, 'with-node': { type: 'boolean', default: false } },
});
const { version, engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const name = `fedrot-${version}-${process.platform}-${process.arch}`;

const LAUNCHER = `#!/bin/sh
# Uses the Node.js of this bundle where there is one, else the machine's (${engines.node}).
here=$(CDPATH= cd -- "$(dirname -- "$(readlink -f -- "$0")")/.." && pwd)
if [ -x "$here/bin/node" ]; then node=$here/bin/node; else node=\${NODE:-node}; fi
exec "$node" "$here/dist/cli/main.js" "$@"
`;
const LAUNCHER_CMD = '@node "%~dp0..\\dist\\cli\\main.js" %*\r\n';

const stage = mkdtempSync(join(tmpdir(), 'fedrot-airgap-'));
try {
  const tree = join(stage, name);
  writeProductionTree(tree);
  mkdirSync(join(tree, 'bin'));
  writeFileSync(join(tree, 'bin/fedrot'), LAUNCHER);
  chmodSync(join(tree, 'bin/fedrot'), 0o755);
  writeFileSync(join(tree, 'bin/fedrot.cmd'), LAUNCHER_CMD);
  if (values['with-node']) copyFileSync(realpathSync(process.execPath), join(tree, 'bin/node'));
  const archive = resolve(values.out, `${name}.tar.gz`);
  mkdirSync(resolve(values.out), { recursive: true });
  const { status } = spawnSync('tar', ['czf', archive, '-C', stage, name], { stdio: ['ignore', 2, 2] });
  if (status !== 0) process.exit(1);
  const bytes = readFileSync(archive);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  process.stdout.write(`${archive}\n${(bytes.length / 1e6).toFixed(1)} MB, SHA-256 ${sha256}\n`);
} finally {
  rmSync(stage, { recursive: true, force: true });
}
