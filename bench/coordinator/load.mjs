// Silos without training, as a process that is asked for one thing at a time (JSON lines): each has a connection of its own and speaks the
// real protocol: Register, Heartbeat, WatchAssignments, FetchAdapter, SubmitUpdate.
import { createInterface } from 'node:readline';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { clientChannelOptions, DEFAULT_CHUNK_BYTES } from '../../dist/rpc/channel-options.js';
import { siloService } from '../../dist/rpc/protos.js';
import { SHAPES, submitUpdate, Updates } from './payload.mjs';

const now = () => performance.timeOrigin + performance.now();
const asIs = (bytes) => bytes;

class Silo {
  tasks = new Map();
  #session = '';
  #wake = () => undefined;

  constructor(name, address) {
    this.name = name;
    this.client = new Client(address, credentials.createInsecure(), clientChannelOptions());
  }

  #metadata() {
    const metadata = new Metadata();
    if (this.#session !== '') metadata.set('fedrot-session', this.#session);
    return metadata;
  }

  #unary(name, request) {
    const { path, requestSerialize, responseDeserialize } = siloService.methods[name];
    return new Promise((resolve, reject) => {
      this.client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        this.#metadata(),
        (error, answer) => (error ? reject(error) : resolve(answer)),
      );
    });
  }

  #stream(name, request, deserialize) {
    const { path, requestSerialize, responseDeserialize } = siloService.methods[name];
    return this.client.makeServerStreamRequest(
      path,
      requestSerialize,
      deserialize ?? responseDeserialize,
      request,
      this.#metadata(),
    );
  }

  async join() {
    const silo = this.name;
    const answer = await this.#unary('Register', {
      ...{
        silo,
        role: 'SILO_ROLE_TRAINER',
        protocolMin: 1,
        protocolMax: 1,
        softwareVersion: 'bench',
        examples: 100,
      },
    });
    this.#session = answer.sessionId;
    this.beat = setInterval(
      () => this.#unary('Heartbeat', { silo }).catch(() => undefined),
      answer.heartbeatIntervalMs,
    );
    this.watch = this.#stream('WatchAssignments', { silo });
    this.watch.on('error', () => undefined);
    this.watch.on('data', ({ taskId, train }) => {
      if (!train) return;
      this.tasks.set(train.round, { taskId, train, at: now() });
      this.#wake();
    });
  }

  async task(round) {
    while (!this.tasks.has(round)) await new Promise((resolve) => (this.#wake = resolve));
    return this.tasks.get(round);
  }

  /** The bytes of an adapter, thrown away; a silo writes them to its disk. */
  fetch(runId, version) {
    return new Promise((resolve, reject) => {
      let bytes = 0;
      const call = this.#stream('FetchAdapter', { runId, version }, (message) => message.length);
      call.on('data', (length) => (bytes += length));
      call.on('error', reject);
      call.on('end', () => resolve(bytes));
    });
  }

  upload(messages) {
    return new Promise((resolve, reject) => {
      let answered = false;
      let wake = () => undefined;
      const call = this.client.makeClientStreamRequest(
        ...[submitUpdate.path, asIs, submitUpdate.responseDeserialize, this.#metadata()],
        (error) => {
          answered = true;
          wake();
          if (error) reject(error);
          else resolve(now());
        },
      );
      call.on('drain', () => wake());
      const pump = async () => {
        for (const message of messages) {
          if (answered) return;
          if (!call.write(message)) await new Promise((resolve) => (wake = resolve));
        }
        call.end();
      };
      void pump();
    });
  }

  leave() {
    clearInterval(this.beat);
    this.watch?.cancel();
    this.client.close();
  }
}

let silos = [];
let updates;
let from = 0;

const begin = ({ taskId, train }, silo) => ({
  ...{
    runId: train.runId,
    round: train.round,
    silo,
    taskId,
    baseVersion: train.adapter?.version ?? 0,
    examples: 10,
  },
  metrics: { loss: 0.5, steps: 1, seconds: 1, tokens: 100 },
});

const ASKED = {
  /** Connects `count` silos, numbered from `first`. */
  async open({ address, shape, first = 0, count, join = true, chunkBytes = DEFAULT_CHUNK_BYTES }) {
    from = first;
    updates = new Updates(SHAPES[shape], chunkBytes);
    silos = Array.from(
      { length: count },
      (_, i) => new Silo(`silo-${String(first + i).padStart(4, '0')}`, address),
    );
    // A thousand connections at once are refused by the backlog of a listening socket before they are by anyone else.
    for (let i = 0; join && i < silos.length; i += 50)
      await Promise.all(silos.slice(i, i + 50).map((silo) => silo.join()));
    return { bytes: updates.bytes };
  },
  /** Uploads of all silos at once, to a handler that knows no rounds. */
  async raw() {
    const wanted = silos.map(({ name }, i) =>
      updates.messages(from + i, { runId: 'raw', round: 1, silo: name, taskId: 'raw', examples: 1 }),
    );
    const began = now();
    await Promise.all(silos.map((silo, i) => silo.upload(wanted[i])));
    return { seconds: (now() - began) / 1000, bytes: updates.bytes * silos.length };
  },
  /** Until every silo has its task of the round. */
  async wait({ round }) {
    const tasks = await Promise.all(silos.map((silo) => silo.task(round)));
    return {
      firstAt: Math.min(...tasks.map(({ at }) => at)),
      lastAt: Math.max(...tasks.map(({ at }) => at)),
    };
  },
  /** Every silo answers its task of the round: fetches what it starts from, where `fetch`, and submits an update. */
  async answer({ round, fetch = true }) {
    const acks = [];
    const begans = [];
    await Promise.all(
      silos.map(async (silo, i) => {
        const task = await silo.task(round);
        if (fetch) await silo.fetch(task.train.runId, task.train.adapter?.version ?? 0);
        const messages = updates.messages(1000 * round + from + i, begin(task, silo.name));
        begans.push(now());
        acks.push(await silo.upload(messages));
        silo.tasks.delete(round);
      }),
    );
    return {
      began: Math.min(...begans),
      acknowledged: Math.max(...acks),
      count: acks.length,
      bytes: updates.bytes * acks.length,
    };
  },
  async fetch({ runId, version }) {
    const began = now();
    const bytes = await silos[0].fetch(runId, version);
    return { seconds: (now() - began) / 1000, bytes };
  },
  close() {
    for (const silo of silos) silo.leave();
    silos = [];
    return {};
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { ask, ...rest } = JSON.parse(line);
  try {
    process.stdout.write(`${JSON.stringify(await ASKED[ask](rest))}\n`);
  } catch (error) {
    process.stderr.write(`${ask}: ${error.stack}\n`);
    process.exit(1);
  }
}
ASKED.close();
