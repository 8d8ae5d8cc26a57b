// Carries a seed's plan out on a running federation.
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function diskFull(daemon, { forMs, share }) {
  daemon.set({ diskFull: share });
  await sleep(forMs);
  daemon.set({ diskFull: 0 });
}

/** kind → how it is done. */
const DOERS = {
  'kill-coordinator': ({ coordinator }, { awayMs }) => coordinator.kill(awayMs),
  'kill-silo': ({ silos }, { silo, awayMs }) => silos.get(silo).kill(awayMs),
  'freeze-silo': ({ silos }, { silo, forMs }) => silos.get(silo).freeze(forMs),
  cut: ({ proxies }, { silo }) => proxies.get(silo).cut(),
  delay: ({ proxies }, { silo, forMs }) => proxies.get(silo).delay(forMs),
  truncate: ({ proxies }, { silo, afterBytes }) => proxies.get(silo).truncate(afterBytes),
  duplicate: ({ proxies }, { silo }) => proxies.get(silo).duplicate(),
  'clock-jump': ({ coordinator }, { byMs }) => coordinator.setClock(byMs),
  'disk-full': ({ coordinator }, fault) => diskFull(coordinator, fault),
  'disk-full-silo': ({ silos }, fault) => diskFull(silos.get(fault.silo), fault),
};

/** What a fault needs for itself: two kills of one process come one after the other. */
const ownerOf = ({ kind, silo }) =>
  kind.endsWith('coordinator') ? 'coordinator' : kind.includes('-silo') ? silo : '';

/** Resolves when every fault has had its effect and has passed. */
export async function storm(federation, { faults }) {
  const began = performance.now();
  const busy = new Map();
  const doing = [];
  for (const fault of faults) {
    await sleep(Math.max(0, fault.atMs - (performance.now() - began)));
    const owner = ownerOf(fault);
    const work = (busy.get(owner) ?? Promise.resolve()).then(() => DOERS[fault.kind](federation, fault));
    if (owner !== '') busy.set(owner, work);
    doing.push(work);
  }
  await Promise.all(doing);
  for (const proxy of federation.proxies.values()) proxy.calm();
}
