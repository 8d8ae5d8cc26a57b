// The tables of docs/performance.md from the rows that were measured last.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';

const root = fileURLToPath(new URL('../..', import.meta.url));
const keptOf = (bench) => join(root, `.cache/bench-${bench}/rows.json`);

/** Remembers the rows of a part, with machine and date; numbers rounded to what they say. */
export function keepRows(bench, part, rows) {
  const file = keptOf(bench);
  const kept = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
  const machine = `${cpus()[0]?.model ?? 'unknown CPU'}, ${cpus().length} cores, Node ${process.versions.node}`;
  kept[part] = { rows, machine, date: new Date().toISOString().slice(0, 10) };
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, JSON.stringify(kept, undefined, 1));
}

const number = (value, digits = 0) => (value === undefined ? '–' : value.toFixed(digits));
const percent = (value) => (value === undefined ? '–' : `${(100 * value).toFixed(0)} %`);
const reached = (ok) => (ok ? 'yes' : '**no**');

const kernelLine = (r) => [
  `kernels, no hash, no disk: ${r.what}, r = ${r.rank}`,
  `${number(r.MBps)} MB/s`,
  `no-op handler: ${number(r.baselineMBps)} MB/s`,
  `${percent(r.ratio)}, at least ${percent(r.target)}`,
  reached(r.ratio >= r.target),
];

/** part → the line of one row: what, measured, compared with, ratio and target, reached. */
const LINES = {
  kernels: kernelLine,
  durable: (r) => [
    `durable service: ${r.what}, r = ${r.rank}, until published`,
    `${number(r.MBps)} MB/s (until acknowledged ${number(r.acknowledgedMBps)})`,
    `hash, write, fsync: ${number(r.baselineMBps)} MB/s`,
    `${percent(r.ratio)} (${percent(r.acknowledgedRatio)}), at least ${percent(r.target)}`,
    reached(r.ratio >= r.target),
  ],
  memory: (r) => [
    `peak memory, ${r.silos} silos × ${number(r.updateMB, 1)} MB at once`,
    `${number(r.peakMB)} MB`,
    `before the run: ${number(r.startMB)} MB`,
    r.targetMB === undefined ? `${number(r.ratio, 2)} ×, at most ${r.target} ×` : `at most ${r.targetMB} MB`,
    reached(r.targetMB === undefined ? r.ratio <= r.target : r.peakMB <= r.targetMB),
  ],
  link: (r) => [
    `one ${r.what} of ${number(r.updateMB)} MB, ${r.rttMs} ms round trip`,
    `${number(r.MBps)} MB/s`,
    `no delay: ${number(r.directMBps)} MB/s`,
    `at least ${r.targetMBps} MB/s`,
    reached(r.MBps >= r.targetMBps),
  ],
  thousand: (r) => [
    `${r.silos} silos connected, ${number(r.updateMB, 1)} MB each, one round`,
    `${number(r.roundSeconds, 1)} s, ${number(r.peakMB)} MB`,
    `${r.acknowledged} acknowledged, ${r.counted} counted; ${number(r.cpuSeconds, 1)} s of processor time`,
    'complete, nothing lost',
    reached(r.complete),
  ],
  overhead: (r) => [
    `a round without training: ${r.what}, ${r.silos} × ${number(r.updateMB)} MB`,
    `${number(r.seconds, 2)} s`,
    `peak memory ${number(r.peakMB)} MB`,
    `under ${r.targetSeconds} s`,
    reached(r.seconds < r.targetSeconds),
  ],
};

const tableOf = (head, lines) =>
  [head, head.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');

function coordinatorTable(kept) {
  const parts = Object.keys(LINES).filter((part) => kept[part]);
  const lines = parts.flatMap((part) => kept[part].rows.map(LINES[part]));
  const when = [...new Set(parts.map((part) => `${kept[part].machine}, ${kept[part].date}`))];
  return `${tableOf(['what', 'measured', 'beside it', 'target', 'reached'], lines)}\n\n${when.join('; ')}.`;
}

/** Flower as it is, then with its polling intervals lowered, beside fedrot. */
function flowerTable(kept) {
  const rows = Object.values(kept).flatMap(({ rows: all }) => all);
  const lines = rows.flatMap((r) =>
    [
      [`Flower ${r.version}`, r.stock, true],
      [`every poll at most ${1000 * r.pollSeconds} ms`, r.lowered, false],
    ].map(([name, side, judged]) => [
      `${r.clients} × ${number(r.updateMB)} MB`,
      name,
      `${number(side.seconds, 2)} s`,
      `${number(r.seconds, 2)} s`,
      `${number(side.faster, 1)} ×`,
      `${number(side.peakMB)} MB`,
      `${number(r.peakMB)} MB`,
      percent(side.memoryShare),
      judged && r.bare ? `${number(r.bare.seconds, 2)} s, ${number(r.bare.peakMB)} MB` : '–',
      judged ? reached(side.faster >= r.targetFaster && side.memoryShare <= r.targetShare) : '–',
    ]),
  );
  const head = [
    ...['silos', 'Flower', 'its round', 'fedrot', 'faster'],
    ...['its peak', 'fedrot', 'share', 'bare uploads', 'reached'],
  ];
  const when = [...new Set(Object.values(kept).map(({ machine, date }) => `${machine}, ${date}`))];
  return `${tableOf(head, lines)}\n\n${when.join('; ')}.`;
}

const TABLES = { coordinator: coordinatorTable, flower: flowerTable };

/** Fills the region `<!-- bench:NAME -->` of docs/performance.md. */
export async function writeTable(bench) {
  const file = join(root, 'docs/performance.md');
  const kept = JSON.parse(readFileSync(keptOf(bench), 'utf8'));
  const region = new RegExp(`(<!-- bench:${bench} -->)[^]*?(<!-- end bench:${bench} -->)`);
  const text = readFileSync(file, 'utf8').replace(
    region,
    (_, open, close) => `${open}\n\n${TABLES[bench](kept)}\n\n${close}`,
  );
  writeFileSync(file, await format(text, { ...(await resolveConfig(file)), filepath: file }));
}
