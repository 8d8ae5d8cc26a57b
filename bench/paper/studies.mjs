/** What `npm run bench:paper` computes: studies for `fedrot simulate`, with what each is to show. */

/** All linear layers of some transformer layers of MiniLM. */
const layers = (...which) =>
  which.flatMap((layer) =>
    [
      'attention.self.query',
      'attention.self.key',
      'attention.self.value',
      'attention.output.dense',
      'intermediate.dense',
      'output.dense',
    ].map((module) => `layer.${layer}.${module}`),
  );

const queryValue = (...which) =>
  which.flatMap((layer) => ['query', 'value'].map((module) => `layer.${layer}.attention.self.${module}`));

const consensus = { method: 'fedrot', options: { start: 'consensus' } };
const paper = ['fedit', 'flexlora', 'ffa', 'rolora', 'fedrot'];
const dirichlet = (alpha) => ({ kind: 'dirichlet', alpha });
const adamw = (learningRate) => ({ kind: 'adamw', learningRate });
const sgd = (learningRate) => ({ kind: 'sgd', learningRate, momentum: 0.9 });
const seeds = [0, 1, 2];

/** Part of a data set, short: the frozen layers of all its examples are computed in a quarter of a minute. */
const small = { maxTrain: 2000, maxTest: 400, maxTokens: 24 };

/** Adapters in the top layer only: a step then costs a tenth, for the layers below are frozen and cached. */
const top = {
  targetModules: layers(5),
  rank: 4,
  scale: 2,
  minExamples: 10,
  partition: dirichlet(0.5),
  optimizer: adamw(0.01),
  batchSize: 8,
};

/** Round 1 and one-shot federation: the setting that ../shared/ALGORITHMS.md describes. */
const oneShot = {
  rank: 4,
  scale: 2,
  silos: 10,
  partition: dirichlet(0.5),
  optimizer: adamw(0.01),
  localSteps: 30,
  seeds,
};
const banking = { banking77: { maxTest: 1540, maxTokens: 64 } };
/** More to be scored on, so that a point of accuracy is more than ten examples. */
const scored = { maxTrain: 1000, maxTest: 1200, maxTokens: 24 };
const larger = { banking77: scored, sst2: { ...scored, maxTest: 872 }, snli: scored, agnews: scored };
const allSets = { banking77: small, sst2: small, snli: small, agnews: small };

/** Every upload is turned by a random rotation. */
const scrambled = {
  silos: 5,
  methods: ['fedit', 'fedrot', consensus, 'fedrot-consensus', 'fedrot-exact'],
  scramble: true,
  seeds,
};

/** Where rotation might pay: one line a study, its optimizer; each is tried from a common start and from own ones. */
const MAP = [adamw(0.01), adamw(0.03), adamw(0.003), sgd(0.5), sgd(0.1)];
const LONG = [adamw(0.01), sgd(0.5)];
const map = { ...top, silos: 5, methods: ['fedit', 'fedrot', consensus, 'fedrot-exact'], seeds };
const nameOf = (prefix, { kind, learningRate }) => `${prefix}-${kind}-${learningRate}`;

/**
 * `part`: quick (the short form computes it too) or full. `sets`: data sets of ../shared/data with their limits. Everything else is a
 * study as docs/simulate.md has it.
 */
export const STUDIES = [
  {
    key: 'one-shot',
    part: 'full',
    sets: banking,
    study: {
      ...oneShot,
      targetModules: queryValue(4, 5),
      methods: ['fedit', 'fedrot-exact'],
      rounds: 6,
      evaluation: { every: 6 },
    },
  },
  {
    key: 'one-shot-methods',
    part: 'full',
    sets: banking,
    study: {
      ...oneShot,
      targetModules: queryValue(4, 5),
      methods: ['fedit', 'fedrot', consensus, 'fedrot-consensus', 'fedrot-exact', 'flexlora', 'lora-fair'],
      rounds: 1,
    },
  },
  {
    key: 'one-shot-quick',
    part: 'quick',
    sets: { banking77: { maxTrain: 3000, maxTest: 770, maxTokens: 32 } },
    study: {
      ...oneShot,
      targetModules: queryValue(4, 5),
      methods: ['fedit', consensus, 'fedrot-exact'],
      localSteps: 10,
      rounds: 1,
    },
  },
  {
    key: 'one-shot-all-linear',
    part: 'full',
    sets: banking,
    study: {
      ...oneShot,
      targetModules: layers(4, 5),
      methods: ['fedit', 'fedrot-consensus', 'fedrot-exact', 'flexlora', 'lora-fair'],
      rounds: 1,
    },
  },
  {
    key: 'default',
    part: 'full',
    sets: larger,
    study: {
      ...top,
      targetModules: queryValue(5),
      silos: 5,
      methods: ['fedit', 'fedrot', consensus, 'fedrot-exact'],
      optimizer: adamw(0.003),
      localSteps: 10,
      rounds: 5,
      evaluation: { every: 5 },
      seeds,
    },
  },
  {
    key: 'default-high-rate',
    part: 'full',
    sets: allSets,
    study: {
      ...top,
      silos: 5,
      methods: ['fedit', 'fedrot', consensus, 'fedrot-exact'],
      localSteps: 10,
      rounds: 5,
      evaluation: { every: 5 },
      seeds,
    },
  },
  {
    key: 'control',
    part: 'quick',
    sets: { banking77: small },
    study: {
      ...top,
      ...scrambled,
      targetModules: queryValue(5),
      localSteps: 5,
      rounds: 9,
      evaluation: { every: 9 },
    },
  },
  {
    key: 'control-all-linear',
    part: 'full',
    sets: { banking77: small },
    study: { ...top, ...scrambled, localSteps: 10, rounds: 5, evaluation: { every: 5 } },
  },
  {
    key: 'table-1-and-2',
    part: 'quick',
    sets: { sst2: small },
    study: {
      ...top,
      silos: [3, 10, 50],
      methods: paper,
      optimizer: adamw(0.005),
      localSteps: 2,
      rounds: 5,
      evaluation: { every: 5 },
      seeds,
    },
  },
  {
    key: 'table-3',
    part: 'quick',
    sets: { snli: small },
    study: {
      ...top,
      rank: [2, 4, 8, 16, 24],
      silos: 3,
      methods: ['fedit', 'rolora', 'fedrot'],
      optimizer: adamw(0.005),
      localSteps: 10,
      rounds: 5,
      evaluation: { every: 5 },
      seeds,
    },
  },
  {
    key: 'table-16',
    part: 'quick',
    sets: { sst2: small },
    study: {
      ...top,
      silos: 3,
      methods: ['fedit', 'fedrot'],
      serverOptimizer: [null, { kind: 'fedadam', learningRate: 0.01 }],
      optimizer: adamw(0.005),
      localSteps: 10,
      rounds: 5,
      evaluation: { every: 5 },
      seeds,
    },
  },
  {
    key: 'alpha',
    part: 'quick',
    sets: { banking77: small },
    study: {
      ...top,
      partition: [0.1, 0.5, 10].map(dirichlet),
      silos: 5,
      methods: ['fedit', 'fedrot', 'fedrot-exact'],
      localSteps: 10,
      rounds: 5,
      evaluation: { every: 5 },
      seeds,
    },
  },
  ...MAP.map((optimizer) => ({
    key: nameOf('map', optimizer),
    part: 'full',
    map: true,
    sets: { banking77: small },
    study: {
      ...map,
      optimizer,
      localSteps: [3, 12],
      rounds: 8,
      start: ['common', 'own'],
      evaluation: { every: 8 },
    },
  })),
  ...LONG.map((optimizer) => ({
    key: nameOf('long', optimizer),
    part: 'full',
    map: true,
    sets: { banking77: small },
    study: {
      ...map,
      silos: 3,
      methods: ['fedit', 'fedrot', 'fedrot-exact'],
      seeds: [0],
      optimizer,
      localSteps: 2,
      rounds: 200,
      evaluation: { every: 50 },
    },
  })),
  {
    key: 'table-1-all-sets',
    part: 'full',
    sets: allSets,
    study: {
      ...top,
      targetModules: queryValue(4, 5),
      partition: [0.1, 0.5, 10].map(dirichlet),
      silos: [3, 10, 50],
      methods: [...paper, 'fedrot-exact'],
      optimizer: sgd(0.05),
      batchSize: 16,
      localSteps: 20,
      rounds: 250,
      evaluation: { every: 10 },
      seeds,
    },
  },
];
