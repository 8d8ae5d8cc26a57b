// The same exchange on Flower and on fedrot, in turns in one run: `npm run bench:flower`. Trivial local work, FedAvg against fedit, the same
// number of silos and bytes; seconds a round and peak memory of the server's side. Flower as it is and with its polling intervals lowered; and
// what Node and grpc-js take by themselves for a round's uploads alone.
//
//   node scripts/python-env.mjs --flower      makes its Python environment (bench/flower/requirements.txt)
//   npm run bench:flower -- --only 8x10MB --rounds 5 --write
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { keepRows, writeTable } from './coordinator/report.mjs';
import { bytesOf, SHAPES } from './coordinator/payload.mjs';
import { bareUploads, median, roundTimes } from './coordinator/parts.mjs';
import { remove, temporaryFolder } from './coordinator/processes.mjs';
import { flowerVersion, isInstalled, runFlower } from './flower/flower.mjs';

const SIZES = {
  '2x1MB': { clients: 2, shape: '1MB' },
  '8x10MB': { clients: 8, shape: '10MB' },
  '2x100MB': { clients: 2, shape: '100MB' },
};
const POLL_SECONDS = 0.05;

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: Object.keys(SIZES).join(',') },
    rounds: { type: 'string', default: '4' },
    'limit-seconds': { type: 'string', default: '150' },
    write: { type: 'boolean', default: false },
  },
});
const names = values.only.split(',').filter((name) => name !== '');
const unknown = names.find((name) => SIZES[name] === undefined);
if (unknown !== undefined || !(Number(values.rounds) >= 2)) {
  process.stderr.write(`bench:flower: sizes are ${Object.keys(SIZES).join(', ')}; rounds are at least 2\n`);
  process.exit(2);
}
if (names.length > 0 && !isInstalled()) {
  process.stderr.write(
    'bench:flower: skipped, Flower is not here; `node scripts/python-env.mjs --flower` installs it where there is Python 3.10 or newer\n',
  );
  process.exit(0);
}
const rounds = Number(values.rounds);
for (const name of names) {
  const { clients, shape } = SIZES[name];
  const flower = async (pollSeconds) => {
    const folder = temporaryFolder();
    try {
      const limitMs = 1000 * Number(values['limit-seconds']);
      return await runFlower(join(folder), { clients, ...SHAPES[shape], rounds, pollSeconds, limitMs });
    } finally {
      remove(folder);
    }
  };
  const before = await roundTimes({ shape, count: clients, method: 'averaged', rounds });
  const stock = await flower(undefined);
  const lowered = await flower(POLL_SECONDS);
  const after = await roundTimes({ shape, count: clients, method: 'averaged', rounds });
  const bare = await bareUploads({ shape, count: clients, rounds });
  const seconds = median([...before.times, ...after.times]);
  const peak = Math.max(before.peakMB, after.peakMB);
  const side = ({ seconds: times, peakMB }) => ({
    seconds: median(times),
    rounds: times.length,
    peakMB,
    faster: median(times) / seconds,
    memoryShare: peak / peakMB,
  });
  const row = {
    ...{ clients, updateMB: bytesOf(SHAPES[shape]) / 1e6, seconds, peakMB: peak, version: flowerVersion() },
    ...{
      bare,
      stock: side(stock),
      lowered: side(lowered),
      pollSeconds: POLL_SECONDS,
      targetFaster: 15,
      targetShare: 1 / 3,
    },
  };
  process.stdout.write(`${JSON.stringify(row)}\n`);
  keepRows('flower', name, [row]);
}
if (values.write) await writeTable('flower');
