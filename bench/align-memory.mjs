// Time and peak memory of combining many silos' updates of an adapter of Llama-7B's shape, from spool files, against fedit from
// the same files; reading and SHA-256 of every file included. Prints one JSON line a method, the medians over the repetitions.
//
//   npm run bench:align -- [--silos 50] [--modules 64] [--rank 16] [--size 4096] [--repeat 3] [--methods fedrot,…] [--spool DIR]
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    silos: { type: 'string', default: '50' },
    modules: { type: 'string', default: '64' },
    rank: { type: 'string', default: '16' },
    size: { type: 'string', default: '4096' },
    repeat: { type: 'string', default: '3' },
    methods: { type: 'string', default: 'bare-mean,fedit,fedrot-fixed,fedrot-auto,fedrot-exact' },
    spool: { type: 'string' },
    one: { type: 'string' },
  },
});
const [silos, modules, rank, size, repeat] = ['silos', 'modules', 'rank', 'size', 'repeat'].map((key) =>
  Number(values[key]),
);

/** What is measured, and how much longer than fedit it may take (issue 4). */
const METHODS = {
  // Nothing but the weighted mean of the same files, without diagnostics: what the measures of a round cost shows beside it.
  'bare-mean': {},
  fedit: { method: 'fedit', options: {} },
  'fedrot-fixed': { method: 'fedrot', options: { lambda: 0.6 }, limit: 3 },
  'fedrot-auto': { method: 'fedrot', options: { lambda: 'auto' }, limit: 10 },
  'fedrot-exact': { method: 'fedrot-exact', options: {}, limit: 40 },
  'fedrot-consensus': { method: 'fedrot-consensus', options: {} },
  flexlora: { method: 'flexlora', options: {} },
  'lora-fair': { method: 'lora-fair', options: {} },
};

const pathOf = (folder, name) => join(folder, `${name}.safetensors`);

/** Numbers that look like factors near common ones: the reference plus noise of the silo's own, from a small table. */
async function writeSpool(folder) {
  const { canonicalHeader } = await import('../dist/tensor/canonical.js');
  const { Random } = await import('../dist/random.js');
  const random = Random.of('bench');
  const table = Float32Array.from({ length: 1 << 20 }, () => random.normal());
  const tensors = Array.from({ length: modules }, (_, m) => {
    const path = `base_model.model.layers.${String(m).padStart(2, '0')}.proj`;
    return [
      { name: `${path}.lora_A.weight`, dtype: 'f32', shape: [rank, size] },
      { name: `${path}.lora_B.weight`, dtype: 'f32', shape: [size, rank] },
    ];
  }).flat();
  const names = [
    'previous',
    ...Array.from({ length: silos }, (_, i) => `silo-${String(i).padStart(3, '0')}`),
  ];
  for (const [index, name] of names.entries()) {
    const fd = openSync(pathOf(folder, name), 'w');
    writeSync(fd, canonicalHeader(tensors));
    for (const [t] of tensors.entries()) {
      const data = new Float32Array(rank * size);
      const common = (t * 7919) % (table.length - data.length);
      const own = ((t * 31 + index * 104729) * 13) % (table.length - data.length);
      const noise = index === 0 ? 0 : 0.3;
      for (let i = 0; i < data.length; i++) data[i] = 0.02 * (table[common + i] + noise * table[own + i]);
      writeSync(fd, new Uint8Array(data.buffer));
    }
    closeSync(fd);
  }
}

function sha256(path) {
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(1 << 20);
  const fd = openSync(path, 'r');
  for (let got; (got = readSync(fd, buffer)) > 0;) hash.update(buffer.subarray(0, got));
  closeSync(fd);
  return hash.digest('hex');
}

/** Reads and checks every update and averages its tensors; no measure of how well that went. */
async function bareMean(updates) {
  const { fastKernels } = await import('../dist/align/fast-kernels.js');
  const kernels = fastKernels();
  const tensors = updates[0].tensors.tensors.map(({ name, shape }) => {
    const sum = new Float64Array(shape.reduce((product, n) => product * n, 1));
    for (const { tensors } of updates) kernels.add(sum, 1 / updates.length, tensors.read(name));
    return { name, shape, data: Float32Array.from(sum) };
  });
  return { tensors, diagnostics: {} };
}

/** In a process of its own: one aggregation, as the coordinator's worker does it. */
async function measure(name, folder) {
  const { aggregate } = await import('../dist/align/aggregate.js');
  const { openTensorFile } = await import('../dist/tensor/safetensors-file.js');
  const { encodeTensorFile } = await import('../dist/tensor/encode-file.js');
  const { method, options } = METHODS[name];
  const begin = performance.now();
  const cpuBefore = process.cpuUsage();
  const open = (file) => {
    sha256(pathOf(folder, file));
    return openTensorFile(pathOf(folder, file));
  };
  const previous = open('previous');
  const updates = Array.from({ length: silos }, (_, i) => {
    const silo = `silo-${String(i).padStart(3, '0')}`;
    return { silo, weight: 1, tensors: open(silo) };
  });
  const { tensors, diagnostics } = method
    ? aggregate({ method, options, round: 2, seed: 1, previous, updates })
    : await bareMean(updates);
  encodeTensorFile(tensors);
  const seconds = (performance.now() - begin) / 1000;
  const { user, system } = process.cpuUsage(cpuBefore);
  const cpuSeconds = (user + system) / 1e6;
  const peakMB = process.resourceUsage().maxRSS / 1024;
  const { aggregationError, aggregationErrorFedit, aggregationErrorBound } = diagnostics;
  process.stdout.write(
    JSON.stringify({
      seconds,
      cpuSeconds,
      peakMB,
      aggregationError,
      aggregationErrorFedit,
      aggregationErrorBound,
    }),
  );
}

const median = (numbers) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1];

async function main() {
  const folder = values.spool ?? mkdtempSync(join(tmpdir(), 'fedrot-bench-'));
  mkdirSync(folder, { recursive: true });
  try {
    if (!existsSync(pathOf(folder, 'previous'))) await writeSpool(folder);
    const names = values.methods.split(',');
    const results = Object.fromEntries(names.map((name) => [name, []]));
    // Interleaved, so that what else the machine does hits all alike.
    for (let i = 0; i < repeat; i++)
      for (const name of names) {
        const own = process.argv
          .slice(2)
          .filter((_, at, all) => all[at] !== '--spool' && all[at - 1] !== '--spool');
        const args = [fileURLToPath(import.meta.url), ...own, '--spool', folder, '--one', name];
        results[name].push(JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })));
      }
    const medianOf = (name, key) => median(results[name].map((result) => result[key]));
    const times = (base, name, key) =>
      results[base] ? Number((medianOf(name, key) / medianOf(base, key)).toFixed(2)) : null;
    for (const name of names) {
      const { limit } = METHODS[name];
      const line = {
        bench: 'align-memory',
        method: name,
        silos,
        modules,
        rank,
        size,
        seconds: Number(medianOf(name, 'seconds').toFixed(2)),
        timesFedit: times('fedit', name, 'seconds'),
        // On a machine that does other work too, processor time is what to compare.
        cpuSeconds: Number(medianOf(name, 'cpuSeconds').toFixed(2)),
        cpuTimesFedit: times('fedit', name, 'cpuSeconds'),
        cpuTimesBareMean: times('bare-mean', name, 'cpuSeconds'),
        limit: limit ?? null,
        peakMB: Math.round(Math.max(...results[name].map(({ peakMB }) => peakMB))),
        aggregationError: results[name][0].aggregationError,
        aggregationErrorFedit: results[name][0].aggregationErrorFedit,
        aggregationErrorBound: results[name][0].aggregationErrorBound,
        node: process.version,
      };
      process.stdout.write(`${JSON.stringify(line)}\n`);
    }
  } finally {
    if (!values.spool) rmSync(folder, { recursive: true, force: true });
  }
}

if (values.one) await measure(values.one, values.spool);
else await main();
