// What goes wrong in one seed: a list of faults, each at its time after the run was created.
import { randomOf } from './random.mjs';

export const SILOS = ['north', 'east', 'south'];
export const ROUNDS = 3;

/** Faults happen within so long; after it the federation is left alone and has to finish. */
const WINDOW_MS = 4500;

const MINUTE = 60_000;
const JUMPS_MS = [5000, MINUTE, 60 * MINUTE, -5000, -MINUTE, -60 * MINUTE];

/** kind → its share, and what it needs to know. */
const KINDS = {
  'kill-coordinator': { weight: 4, make: (random) => ({ awayMs: random.int(0, 900) }) },
  'kill-silo': {
    weight: 4,
    make: (random) => ({ silo: random.pick(SILOS), awayMs: random.int(0, 900) }),
  },
  'freeze-silo': {
    weight: 1,
    make: (random) => ({ silo: random.pick(SILOS), forMs: random.int(200, 2500) }),
  },
  cut: { weight: 3, make: (random) => ({ silo: random.pick(SILOS) }) },
  delay: { weight: 2, make: (random) => ({ silo: random.pick(SILOS), forMs: random.int(50, 1500) }) },
  truncate: {
    weight: 3,
    make: (random) => ({ silo: random.pick(SILOS), afterBytes: random.int(1, 60_000) }),
  },
  duplicate: { weight: 2, make: (random) => ({ silo: random.pick(SILOS) }) },
  'clock-jump': { weight: 3, make: (random) => ({ byMs: random.pick(JUMPS_MS) }) },
  'disk-full': {
    weight: 3,
    make: (random) => ({ forMs: random.int(50, 1200), share: random.pick([0.2, 1]) }),
  },
  'disk-full-silo': {
    weight: 1,
    make: (random) => ({ silo: random.pick(SILOS), forMs: random.int(50, 1000), share: 1 }),
  },
};

/** With all silos needed nobody can be left out; with two of three and little time somebody may, and is refused or carried over. */
const STRICT = { minSilos: 3, deadlineMs: 20_000 };
const HASTY = { minSilos: 2, deadlineMs: 3000 };
const KINDS_OF_ROUNDS = [
  { ...HASTY, late: 'carry' },
  STRICT,
  STRICT,
  HASTY,
  { mode: 'async', count: 6, minSilos: 1, updates: 2, deadlineMs: 3000 },
  STRICT,
];

function pickKind(random) {
  const total = Object.values(KINDS).reduce((sum, { weight }) => sum + weight, 0);
  let at = random.next() * total;
  for (const [kind, { weight }] of Object.entries(KINDS)) {
    at -= weight;
    if (at < 0) return kind;
  }
  return 'cut';
}

export function planOf(seed) {
  const random = randomOf(seed);
  const faults = Array.from({ length: random.int(3, 8) }, () => {
    const kind = pickKind(random);
    return { atMs: random.int(100, WINDOW_MS), kind, ...KINDS[kind].make(random) };
  });
  faults.sort((a, b) => a.atMs - b.atMs);
  const common = { count: ROUNDS, maxAttempts: 1000, setAside: { forMs: 1500 } };
  return { seed, faults, rounds: { ...common, ...KINDS_OF_ROUNDS[seed % KINDS_OF_ROUNDS.length] } };
}
