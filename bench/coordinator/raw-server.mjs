// Handlers to compare the coordinator with, behind the same method and the same transport options: a process that prints its port.
//
//   node raw-server.mjs noop | disk FOLDER | averaged | aligned
import { createHash } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { serverChannelOptions } from '../../dist/rpc/channel-options.js';
import { moduleKernels } from './kernels.mjs';
import { submitUpdate } from './payload.mjs';

const [kind, folder] = process.argv.slice(2);

/** Takes the messages and throws them away. */
const noop = () => ({ take: () => undefined, end: () => undefined });

/** Hashes, writes and fsyncs; the file is removed after the answer. */
function disk() {
  const path = join(folder, `${process.hrtime.bigint()}.bin`);
  const hash = createHash('sha256');
  const file = open(path, 'w');
  return {
    async take({ chunk }) {
      if (!chunk) return;
      hash.update(chunk.data);
      await (await file).write(chunk.data);
    },
    async end() {
      hash.digest();
      await (await file).sync();
      await (await file).close();
      void rm(path);
    },
  };
}

const make = { noop, disk, averaged: () => moduleKernels(false), aligned: () => moduleKernels(true) }[kind];

const server = new Server(serverChannelOptions());
server.addService(
  { SubmitUpdate: submitUpdate },
  {
    SubmitUpdate(call, respond) {
      const handler = make();
      const serve = async () => {
        for await (const message of call) {
          const pending = handler.take(message);
          if (pending) await pending;
        }
        await handler.end();
        respond(null, { sha256: Buffer.alloc(32) });
      };
      serve().catch((error) => respond({ code: 13, details: String(error) }));
    },
  },
);
server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  process.stdout.write(`${JSON.stringify({ port })}\n`);
});
process.stdin.on('end', () => process.exit(0)).resume();
