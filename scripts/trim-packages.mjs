// Takes out of node_modules what a container image does not run: binaries for other platforms, sources and maps and,
// with --coordinator, the training engine, which the coordinator never loads. For images only: it deletes in place.
import { existsSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const modules = fileURLToPath(new URL('../node_modules', import.meta.url));
const remove = (...path) => rmSync(join(modules, ...path), { recursive: true, force: true });
const list = (...path) => (existsSync(join(modules, ...path)) ? readdirSync(join(modules, ...path)) : []);

/** Packages that only the silo's side loads, and what only they depend on. */
const TRAINING = ['onnxruntime-node', 'onnxruntime-common', 'adm-zip', 'global-agent', '@huggingface'];
if (process.argv.includes('--coordinator')) for (const name of TRAINING) remove(name);

// onnxruntime-node/bin/napi-v*/<platform>/<arch>/
for (const abi of list('onnxruntime-node', 'bin'))
  for (const platform of list('onnxruntime-node', 'bin', abi))
    for (const arch of list('onnxruntime-node', 'bin', abi, platform))
      if (platform !== process.platform || arch !== process.arch)
        remove('onnxruntime-node', 'bin', abi, platform, arch);

// npm installs libsql for both C libraries where it cannot tell them apart.
const glibc = process.report.getReport().header.glibcVersionRuntime !== undefined;
for (const name of list('@libsql')) if (name.endsWith(glibc ? '-musl' : '-gnu')) remove('@libsql', name);

for (const path of readdirSync(modules, { recursive: true }))
  if (/\.([cm]?tsx?|map)$/.test(path)) remove(path);

/** Folders that nothing is left in, from the inside out. */
function removeEmpty(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true }))
    if (entry.isDirectory()) removeEmpty(join(folder, entry.name));
  if (readdirSync(folder).length === 0) rmdirSync(folder);
}
removeEmpty(modules);
