import { readdirSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createRun } from '../../src/cli/admin/create-run.js';
import { pushBundle } from '../../src/cli/admin/push-bundle.js';
import { openBundle } from '../../src/model/bundle.js';
import { parseRunSpec } from '../../src/run-spec.js';
import { recordingLogger } from '../client/recording-logger.js';
import { tinyBundle, tinyCheckpoint } from '../model/tiny-bundle.js';
import { startTestCoordinator } from '../server/support/harness.js';
import { temporary } from './support/consortium.js';
import { startSilo, tinySpec } from './support/silo.js';

/** Every byte that goes through, both ways. */
async function recordingProxy(port: number): Promise<{ address: string; bytes: () => Buffer }> {
  const seen: Buffer[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((downstream) => {
    const upstream = connect(port, '127.0.0.1');
    for (const socket of [downstream, upstream]) {
      sockets.add(socket);
      socket.on('data', (data: Buffer) => seen.push(data));
      socket.on('error', () => undefined);
    }
    downstream.pipe(upstream).pipe(downstream);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port: own } = server.address() as { port: number };
  return { address: `127.0.0.1:${own}`, bytes: () => Buffer.concat(seen) };
}

/** How a text may lie among bytes: as it is, in UTF-16, in hex, in base64 at each of its three positions, percent-encoded, upper case. */
function spellings(marker: string): Buffer[] {
  const base64 = [0, 1, 2].map((shift) => {
    const text = Buffer.from('x'.repeat(shift) + marker).toString('base64');
    return text.slice(shift === 0 ? 0 : 4, -4);
  });
  return [
    ...[marker, marker.toUpperCase(), Buffer.from(marker).toString('hex'), ...base64].map((text) =>
      Buffer.from(text),
    ),
    Buffer.from(marker, 'utf16le'),
  ];
}

const holds = (bytes: Buffer, marker: string): boolean =>
  spellings(marker).some((text) => bytes.includes(text));

function allBytes(folder: string): Buffer {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  return Buffer.concat(names.map((entry) => readFileSync(join(entry.parentPath, entry.name))));
}

test('no text, and no label that a silo keeps to itself, leaves it: neither in training nor in failure', async () => {
  const folder = temporary();
  const checkpoint = await tinyCheckpoint();
  onTestFinished(() => rm(checkpoint, { recursive: true, force: true }));
  const bundle = await openBundle((await tinyBundle(checkpoint)).folder, { verify: false });
  const coordinatorLog: string[] = [];
  const coordinator = await startTestCoordinator(
    join(folder, 'coordinator'),
    {},
    { logger: recordingLogger(coordinatorLog) },
  );
  onTestFinished(() => coordinator.close());
  const wire = await recordingProxy(coordinator.running.grpcPort);

  const words = ['qzmarkerone', 'qzmarkertwo', 'qzmarkerthree', 'qzmarkerfour'];
  const secretLabel = 'qzsecretlabel';
  const good = words.map((word, index) =>
    JSON.stringify({ text: `free ${word} offer`, label: index % 2 === 0 ? 'spam' : 'ham' }),
  );
  const siloLog: string[] = [];
  const names = { coordinator: wire.address };
  await startSilo(
    join(folder, 'good'),
    { name: 'good', ...names },
    { logger: recordingLogger(siloLog) },
    good,
  );
  await startSilo(
    join(folder, 'odd'),
    { name: 'odd', data: { train: join(folder, 'odd', 'train.jsonl'), shareLabels: false }, ...names },
    { logger: recordingLogger(siloLog) },
    [...good.slice(0, 2), JSON.stringify({ text: 'a qzmarkerfive list', label: secretLabel })],
  );
  const { admin } = coordinator;
  await pushBundle(admin, bundle);
  const spec = parseRunSpec(
    tinySpec(bundle.sha256, { rounds: { count: 2, minSilos: 1, deadlineMs: 60_000 } }),
  );
  const { runId } = await createRun(admin, bundle, spec);
  await expect
    .poll(async () => (await admin.getRun({ runId })).state, { timeout: 25_000, interval: 100 })
    .toBe('RUN_STATE_FINISHED');
  const run = await admin.getRun({ runId });
  expect(run.rounds.flatMap(({ updates }) => updates.map(({ silo }) => silo))).toEqual(['good', 'good']);
  expect(run.rounds[0]?.failures[0]).toMatchObject({ silo: 'odd', code: 'data_unknown_label' });

  const { body: metrics } = await coordinator.http('/metrics');
  await coordinator.close();
  const places = {
    wire: wire.bytes(),
    files: allBytes(join(folder, 'coordinator')),
    log: Buffer.from(coordinatorLog.join('')),
    metrics: Buffer.from(metrics),
    run: Buffer.from(JSON.stringify(run)),
  };
  // The search finds what is there.
  expect(places.wire.length).toBeGreaterThan(10_000);
  for (const place of ['wire', 'files', 'log', 'run'] as const)
    expect(holds(places[place], runId)).toBe(true);
  for (const text of [words[0]!, secretLabel]) expect(holds(allBytes(join(folder, 'odd')), text)).toBe(true);
  expect(
    spellings('qzmarkerone').map((text) => holds(Buffer.concat([Buffer.from([7]), text]), 'qzmarkerone')),
  ).not.toContain(false);

  const found = Object.entries(places).flatMap(([place, bytes]) =>
    [...words, 'qzmarkerfive', 'qzmarker', secretLabel]
      .filter((marker) => holds(bytes, marker))
      .map((marker) => `${marker} in ${place}`),
  );
  expect(found).toEqual([]);
}, 90_000);
