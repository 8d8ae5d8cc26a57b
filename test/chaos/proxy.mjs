// A TCP proxy between one silo and the coordinator that cuts, delays, truncates and duplicates what goes through it.
import { connect, createServer } from 'node:net';

export async function startProxy(targetPort) {
  const pairs = new Set();
  let heldUntil = 0;
  let truncateAfter;
  let duplicate = false;

  const end = (pair) => {
    pairs.delete(pair);
    for (const socket of pair) socket.destroy();
  };

  /** Bytes from one side to the other, in order, with whatever is wrong at the moment. */
  const pipe = (from, to, pair) => {
    let turn = Promise.resolve();
    from.on('data', (data) => {
      turn = turn.then(async () => {
        for (let left = heldUntil - performance.now(); left > 0; left = heldUntil - performance.now())
          await new Promise((resolve) => setTimeout(resolve, left));
        if (to.destroyed) return;
        if (truncateAfter !== undefined && (truncateAfter -= data.length) <= 0) {
          to.write(data.subarray(0, Math.max(0, data.length + truncateAfter)));
          truncateAfter = undefined;
          setTimeout(() => end(pair), 1);
          return;
        }
        to.write(data);
        if (duplicate) {
          duplicate = false;
          to.write(data);
        }
      });
    });
    from.on('close', () => void turn.then(() => end(pair)));
    from.on('error', () => end(pair));
  };

  const server = createServer((socket) => {
    const upstream = connect(targetPort, '127.0.0.1');
    const pair = [socket, upstream];
    pairs.add(pair);
    socket.setNoDelay(true);
    upstream.setNoDelay(true);
    pipe(socket, upstream, pair);
    pipe(upstream, socket, pair);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: server.address().port,
    cut: () => [...pairs].forEach(end),
    delay: (forMs) => (heldUntil = performance.now() + forMs),
    truncate: (afterBytes) => (truncateAfter = afterBytes),
    duplicate: () => (duplicate = true),
    /** No more faults. */
    calm: () => {
      truncateAfter = undefined;
      duplicate = false;
    },
    close: () => {
      [...pairs].forEach(end);
      server.close();
    },
  };
}
