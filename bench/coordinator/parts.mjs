// What is measured, one function a part. Each gives one row: what was measured, and what it must reach.
import { SHAPES, bytesOf } from './payload.mjs';
import {
  peakMB,
  remove,
  startCoordinator,
  startProxy,
  startRaw,
  startSilos,
  temporaryFolder,
} from './processes.mjs';

export const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];
const rate = (bytes, seconds) => bytes / 1e6 / seconds;

/** Kernels behind grpc-js, no hash and no disk, against a handler that does nothing: the same messages, in turns. */
async function kernels({ shapes, streams, repeats }) {
  const rows = [];
  for (const { shape, kinds, targets } of shapes) {
    const servers = {};
    for (const kind of ['noop', ...kinds]) {
      const server = await startRaw(kind);
      const silos = await startSilos({ address: server.address, shape, count: streams, join: false });
      servers[kind] = { server, silos, rates: [] };
    }
    for (let i = 0; i <= repeats; i++)
      for (const { silos, rates } of Object.values(servers)) {
        const [{ bytes, seconds }] = await silos.each({ ask: 'raw' });
        if (i > 0) rates.push(rate(bytes, seconds));
      }
    const noop = median(servers.noop.rates);
    for (const kind of kinds) {
      const mbps = median(servers[kind].rates);
      const { rank } = SHAPES[shape];
      rows.push({
        ...{
          part: 'kernels',
          what: kind,
          rank,
          streams,
          MBps: mbps,
          baselineMBps: noop,
          ratio: mbps / noop,
          target: targets[kind],
        },
      });
    }
    for (const { server, silos } of Object.values(servers)) {
      await silos.close();
      await server.stop();
    }
  }
  return rows;
}

/** The durable service, from the first byte to the last acknowledgement and to the published version, against hash + write + fsync. */
async function durable({ shape, streams, repeats }) {
  const folder = temporaryFolder();
  const disk = await startRaw('disk', folder);
  const raw = await startSilos({ address: disk.address, shape, count: streams, join: false });
  const sides = {};
  for (const method of ['averaged', 'aligned']) {
    const coordinator = await startCoordinator();
    const silos = await startSilos({ address: coordinator.address, shape, count: streams });
    const { published } = await coordinator.createRun({ shape, method, silos: streams });
    sides[method] = { coordinator, silos, published, acknowledged: [], whole: [] };
  }
  const baseline = [];
  // Round 1 has nothing to be aligned to, and warms up.
  for (let round = 1; round <= repeats + 1; round++) {
    const [{ bytes, seconds }] = await raw.each({ ask: 'raw' });
    if (round > 1) baseline.push(rate(bytes, seconds));
    for (const side of Object.values(sides)) {
      await side.silos.each({ ask: 'wait', round });
      const answer = await side.silos.answer({ round, fetch: false });
      const { at } = await side.published(round);
      if (round === 1) continue;
      side.acknowledged.push(rate(answer.bytes, (answer.acknowledged - answer.began) / 1000));
      side.whole.push(rate(answer.bytes, (at - answer.began) / 1000));
    }
  }
  await raw.close();
  await disk.stop();
  remove(folder);
  const rows = [];
  for (const [method, { coordinator, silos, acknowledged, whole }] of Object.entries(sides)) {
    const mbps = median(whole);
    const base = median(baseline);
    const ratio = mbps / base;
    const acknowledgedRatio = median(acknowledged) / base;
    const target = { averaged: 0.85, aligned: 0.6 }[method];
    rows.push({
      ...{
        part: 'durable',
        what: method,
        rank: SHAPES[shape].rank,
        streams,
        MBps: mbps,
        acknowledgedMBps: median(acknowledged),
      },
      ...{ baselineMBps: base, ratio, acknowledgedRatio, target },
    });
    await silos.close();
    await coordinator.stop();
  }
  return rows;
}

/** Peak memory of the coordinator when so many silos fetch and send at once. */
async function memory({ shape, counts, method = 'aligned', rounds = 2 }) {
  const rows = [];
  for (const count of counts) {
    const coordinator = await startCoordinator();
    const silos = await startSilos({ address: coordinator.address, shape, count, processes: 2 });
    const startMB = coordinator.peakMB();
    const { published } = await coordinator.createRun({ shape, method, silos: count, rounds });
    const stages = [];
    for (let round = 1; round <= rounds; round++) {
      await silos.each({ ask: 'wait', round });
      const { count: acknowledged, began, acknowledged: at } = await silos.answer({ round });
      const uploadedMB = coordinator.peakMB();
      const { at: publishedAt } = await published(round);
      stages.push({
        acknowledged,
        uploadedMB,
        publishedMB: coordinator.peakMB(),
        seconds: (at - began) / 1000,
        publishSeconds: (publishedAt - at) / 1000,
      });
    }
    rows.push({
      ...{
        part: 'memory',
        silos: count,
        updateMB: bytesOf(SHAPES[shape]) / 1e6,
        startMB,
        peakMB: coordinator.peakMB(),
        stages,
      },
      ...(rows.length === 0
        ? { targetMB: 350 }
        : { ratio: coordinator.peakMB() / rows[0].peakMB, target: 1.2 }),
    });
    await silos.close();
    await coordinator.stop();
  }
  return rows;
}

/** One upload and one download over a link with delay, and without. */
async function link({ shape, rttMs, repeats }) {
  const coordinator = await startCoordinator();
  const proxy = await startProxy(coordinator.address, rttMs);
  const sides = {};
  for (const [name, address] of [
    ['direct', coordinator.address],
    ['delayed', proxy.address],
  ]) {
    sides[name] = { up: [], down: [] };
    sides[name].silos = await startSilos({ address, shape, count: 1 });
    // Each side is a silo of a run of its own: the same name, one after the other.
    const { published, runId } = await coordinator.createRun({
      shape,
      method: 'averaged',
      silos: 1,
      runId: name,
    });
    for (let round = 1; round <= repeats; round++) {
      const { began, acknowledged, bytes } = await sides[name].silos.answer({ round, fetch: false });
      sides[name].up.push(rate(bytes, (acknowledged - began) / 1000));
      await published(round);
      const [{ seconds, bytes: fetched }] = await sides[name].silos.each({
        ask: 'fetch',
        runId,
        version: round,
      });
      sides[name].down.push(rate(fetched, seconds));
    }
    await sides[name].silos.close();
    await coordinator.admin.stopRun({ runId });
  }
  await proxy.stop();
  await coordinator.stop();
  return ['up', 'down'].map((direction) => ({
    ...{
      part: 'link',
      what: direction === 'up' ? 'upload' : 'download',
      rttMs,
      updateMB: bytesOf(SHAPES[shape]) / 1e6,
    },
    ...{
      MBps: median(sides.delayed[direction]),
      directMBps: median(sides.direct[direction]),
      targetMBps: 50,
    },
  }));
}

/** Many silos, each with a connection of its own; one round from assignment to publishing. */
async function thousand({ shape, count, processes }) {
  const coordinator = await startCoordinator();
  const connecting = performance.now();
  const silos = await startSilos({ address: coordinator.address, shape, count, processes });
  const connectSeconds = (performance.now() - connecting) / 1000;
  const { published } = await coordinator.createRun({ shape, method: 'aligned', silos: count, rounds: 1 });
  const answering = silos.answer({ round: 1 });
  const { count: acknowledged, began, acknowledged: ackAt, bytes } = await answering;
  const { at, run } = await published(1);
  const counted = run.rounds.find(({ round }) => round === 1)?.updates.length ?? 0;
  const row = {
    ...{
      part: 'thousand',
      silos: count,
      updateMB: bytesOf(SHAPES[shape]) / 1e6,
      acknowledged,
      counted,
      connectSeconds,
    },
    ...{
      uploadSeconds: (ackAt - began) / 1000,
      roundSeconds: (at - began) / 1000,
      MBps: rate(bytes, (at - began) / 1000),
    },
    ...{ peakMB: coordinator.peakMB(), cpuSeconds: coordinator.cpuSeconds(), complete: counted === count },
  };
  await silos.close();
  await coordinator.stop();
  return [row];
}

/** Seconds from publishing one version to publishing the next, the first two left out, with training that takes no time. */
export async function roundTimes({ shape, count, method, rounds }) {
  const coordinator = await startCoordinator();
  const silos = await startSilos({ address: coordinator.address, shape, count });
  const { published } = await coordinator.createRun({ shape, method, silos: count, rounds: rounds + 1 });
  const times = [];
  let before;
  for (let round = 1; round <= rounds + 1; round++) {
    await silos.answer({ round });
    const { at } = await published(round);
    if (round > 2) times.push((at - before) / 1000);
    before = at;
  }
  const peak = peakMB(coordinator.pid);
  await silos.close();
  await coordinator.stop();
  return { times, peakMB: peak };
}

/**
 * What Node and grpc-js take by themselves: a round's uploads, and nothing back, to a handler that hashes, writes and fsyncs them.
 * Seconds of the middle one, and the most memory.
 */
export async function bareUploads({ shape, count, rounds }) {
  const folder = temporaryFolder();
  const server = await startRaw('disk', folder);
  const silos = await startSilos({ address: server.address, shape, count, join: false });
  const times = [];
  for (let round = 0; round <= rounds; round++) {
    const [{ seconds }] = await silos.each({ ask: 'raw' });
    if (round > 0) times.push(seconds);
  }
  const peak = peakMB(server.pid);
  await silos.close();
  await server.stop();
  remove(folder);
  return { seconds: median(times), peakMB: peak };
}

/** A round without training: assign, fetch, submit, aggregate, publish. */
async function overhead({ shape, count, repeats }) {
  const rows = [];
  for (const method of ['averaged', 'aligned']) {
    const { times, peakMB: peak } = await roundTimes({ shape, count, method, rounds: repeats + 1 });
    rows.push({
      ...{ part: 'overhead', what: method, silos: count, updateMB: bytesOf(SHAPES[shape]) / 1e6 },
      ...{ seconds: median(times), peakMB: peak, targetSeconds: 0.7 },
    });
  }
  return rows;
}

const ALIGNED = { averaged: 0.85, aligned: 0.6 };

/** name → function, the real size and a small one that a test can run. */
export const PARTS = {
  kernels: {
    run: kernels,
    full: {
      streams: 8,
      repeats: 5,
      shapes: [
        { shape: 'r16-33MB', kinds: ['averaged', 'aligned'], targets: ALIGNED },
        { shape: 'r64-33MB', kinds: ['aligned'], targets: { aligned: 0.4 } },
      ],
    },
    quick: {
      streams: 2,
      repeats: 1,
      shapes: [{ shape: 'tiny', kinds: ['averaged', 'aligned'], targets: ALIGNED }],
    },
  },
  durable: {
    run: durable,
    full: { shape: 'r16-33MB', streams: 8, repeats: 5 },
    quick: { shape: 'tiny', streams: 2, repeats: 1 },
  },
  memory: {
    run: memory,
    full: { shape: 'r16-33MB', counts: [64, 128], rounds: 1 },
    quick: { shape: 'tiny', counts: [2, 4] },
  },
  link: {
    run: link,
    full: { shape: 'r16-134MB', rttMs: 50, repeats: 3 },
    quick: { shape: 'tiny', rttMs: 10, repeats: 1 },
  },
  thousand: {
    run: thousand,
    full: { shape: '1.6MB', count: 1000, processes: 3 },
    quick: { shape: 'tiny', count: 20, processes: 2 },
  },
  overhead: {
    run: overhead,
    full: { shape: '10MB', count: 8, repeats: 7 },
    quick: { shape: 'tiny', count: 2, repeats: 1 },
  },
};
