// Speed and memory of the coordinator, each figure beside what it is compared with, in turns in one run: `npm run bench:coordinator`.
// One JSON line a figure, medians; the last of every part is kept in .cache/bench-coordinator/rows.json, and --write makes the
// table of docs/performance.md from all of them, so that parts can be measured one at a time.
//
//   npm run bench:coordinator -- --only kernels,durable
//   npm run bench:coordinator -- --quick              small sizes: whether it runs, not how fast
//   npm run bench:coordinator -- --only durable --repeats 3
//   npm run bench:coordinator -- --only '' --write    only the table
import { parseArgs } from 'node:util';
import { keepRows, writeTable } from './coordinator/report.mjs';
import { PARTS } from './coordinator/parts.mjs';

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: Object.keys(PARTS).join(',') },
    quick: { type: 'boolean', default: false },
    repeats: { type: 'string' },
    write: { type: 'boolean', default: false },
  },
});
const names = values.only.split(',').filter((name) => name !== '');
const unknown = names.find((name) => PARTS[name] === undefined);
if (unknown !== undefined) {
  process.stderr.write(
    `bench:coordinator: no part is called ${unknown}; there are ${Object.keys(PARTS).join(', ')}\n`,
  );
  process.exit(2);
}
const repeats = values.repeats === undefined ? undefined : Number(values.repeats);
if (repeats !== undefined && !(Number.isInteger(repeats) && repeats >= 1)) {
  process.stderr.write('bench:coordinator: --repeats is a whole number from 1\n');
  process.exit(2);
}
for (const name of names) {
  const { run, full, quick } = PARTS[name];
  const settings = values.quick ? quick : full;
  const rows = await run({ ...settings, ...(repeats !== undefined && { repeats }) });
  for (const row of rows) process.stdout.write(`${JSON.stringify(row)}\n`);
  if (!values.quick) keepRows('coordinator', name, rows);
}
if (values.write) await writeTable('coordinator');
