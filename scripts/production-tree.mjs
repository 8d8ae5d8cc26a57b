// What runs of fedrot, and nothing else, in a folder: dist, proto and the packages that users install, without binaries of other
// platforms, sources and maps. For images and air-gapped bundles; needs node_modules and dist, and no network.
//
//   node scripts/production-tree.mjs --out FOLDER [--coordinator]
//
// --coordinator leaves the training engine out, which the coordinator never loads.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Packages that only the silo's side loads, and what only they depend on. */
const TRAINING = [
  'onnxruntime-node',
  'onnxruntime-common',
  'adm-zip',
  'global-agent',
  '@huggingface/tokenizers',
];

const FILES = ['package.json', 'LICENSE', 'README.md', 'CHANGELOG.md', 'dist', 'proto', 'scripts/health.mjs'];

const glibc = process.report.getReport().header.glibcVersionRuntime !== undefined;

/** Folders below node_modules that hold the packages of a production install for this platform. */
function productionPackages({ coordinator }) {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  return (
    Object.entries(packages)
      .filter(([path, { dev, devOptional }]) => path !== '' && dev !== true && devOptional !== true)
      .map(([path]) => path)
      .filter((path) => existsSync(join(root, path)))
      .filter((path) => !(coordinator && TRAINING.some((name) => path === `node_modules/${name}`)))
      // npm installs libsql for both C libraries where it cannot tell them apart.
      .filter((path) => !(path.includes('/@libsql/') && path.endsWith(glibc ? '-musl' : '-gnu')))
  );
}

/** OpenTelemetry's packages hold every file three times; Node loads those of `main`. */
const isTwin = (path) => /@opentelemetry\/[^/]+\/build\/(esm|esnext)\//.test(path.replaceAll('\\', '/'));

const isSource = (path) => /\.([cm]?tsx?|map)$/.test(path);

/** onnxruntime-node/bin/napi-v<n>/<platform>/<arch>/: those of other machines. */
function isForeign(path) {
  const match = /onnxruntime-node\/bin\/napi-v\d+\/([^/]+)(?:\/([^/]+))?/.exec(path.replaceAll('\\', '/'));
  if (!match) return false;
  const [, platform, arch] = match;
  return platform !== process.platform || (arch !== undefined && arch !== process.arch);
}

/** Folders that nothing is left in, from the inside out. */
function removeEmpty(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true }))
    if (entry.isDirectory()) removeEmpty(join(folder, entry.name));
  if (readdirSync(folder).length === 0) rmdirSync(folder);
}

/** Writes the tree; `out` is emptied first. */
export function writeProductionTree(out, { coordinator = false } = {}) {
  rmSync(out, { recursive: true, force: true });
  const nested = join('node_modules', '');
  for (const path of productionPackages({ coordinator }))
    cpSync(join(root, path), join(out, path), {
      recursive: true,
      // Packages inside packages have entries of their own.
      filter: (from) =>
        !from.slice(join(root, path).length).includes(nested) &&
        !isSource(from) &&
        !isForeign(from) &&
        !isTwin(from),
    });
  removeEmpty(join(out, 'node_modules'));
  for (const path of FILES) {
    mkdirSync(dirname(join(out, path)), { recursive: true });
    cpSync(join(root, path), join(out, path), { recursive: true, filter: (from) => !from.endsWith('.map') });
  }
  rmSync(join(out, 'dist/.fingerprint'), { force: true });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: { out: { type: 'string' }, coordinator: { type: 'boolean', default: false } },
  });
  if (values.out === undefined) {
    process.stderr.write('say where: --out FOLDER\n');
    process.exit(2);
  }
  writeProductionTree(values.out, { coordinator: values.coordinator });
}
