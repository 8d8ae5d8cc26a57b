// For the health checks of the images: exits with 0 where the daemon in this container answers on its own loopback.
//
//   node scripts/health.mjs coordinator|client
const PORTS = {
  coordinator: process.env.FEDROT_HTTP_PORT ?? '9471',
  client: process.env.FEDROT_METRICS_PORT ?? '9472',
};

try {
  const { ok } = await fetch(`http://127.0.0.1:${PORTS[process.argv[2]]}/healthz`, {
    signal: AbortSignal.timeout(2500),
  });
  process.exit(ok ? 0 : 1);
} catch {
  process.exit(1);
}
