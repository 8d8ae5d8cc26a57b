// A TCP proxy whose link has a delay and no limit of bandwidth: node delay-proxy.mjs HOST:PORT RTT_MS prints its port.
import { connect, createServer } from 'node:net';

const [target, rtt] = process.argv.slice(2);
const [host, port] = target.split(':');
const oneWayMs = Number(rtt) / 2;

/** Hands every piece on so long after it came; what waits is on the wire. */
function carry(from, to) {
  const wire = [];
  let timer;
  const deliver = () => {
    timer = undefined;
    const now = performance.now();
    to.cork();
    while (wire.length > 0 && wire[0].due <= now) {
      const { data } = wire.shift();
      if (data === undefined) to.end();
      else to.write(data);
    }
    to.uncork();
    if (wire.length > 0) timer = setTimeout(deliver, Math.max(0, wire[0].due - performance.now()));
  };
  const send = (data) => {
    wire.push({ due: performance.now() + oneWayMs, data });
    timer ??= setTimeout(deliver, oneWayMs);
  };
  from.on('data', send);
  from.on('end', () => send(undefined));
  from.on('error', () => to.destroy());
  to.on('close', () => {
    clearTimeout(timer);
    from.destroy();
  });
}

const server = createServer({ noDelay: true }, (near) => {
  const far = connect({ host, port: Number(port), noDelay: true });
  carry(near, far);
  carry(far, near);
});
server.listen(0, '127.0.0.1', () =>
  process.stdout.write(`${JSON.stringify({ port: server.address().port })}\n`),
);
process.stdin.on('end', () => process.exit(0)).resume();
