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

/** Part of a data set, so that the frozen layers of all its examples are computed once in half a minute. */
const small = { maxTrain: 2000, maxTest: 500, maxTokens: 32 };

/** Adapters in the top layer only: a step then costs a tenth, for the layers below are frozen and cached. */
const top = { targetModules: layers(5), rank: 4, scale: 2, minExamples: 10, partition: dirichlet(0.5) };

/**
 * `part`: quick (the short form computes it too) or full. `sets`: data sets of ../shared/data with their limits. Everything else is a
 * study as docs/simulate.md has it.
 */
export const STUDIES = [
  {
    key: 'one-shot',
    part: 'full',
    sets: { banking77: { maxTest: 1540, maxTokens: 64 } },
    study: {
      targetModules: layers(4, 5),
      rank: 4,
      scale: 2,
      silos: 10,
      partition: dirichlet(0.5),
      methods: ['fedit', 'fedrot-exact'],
      optimizer: adamw(0.01),
      localSteps: 30,
      rounds: 6,
      seeds,
    },
  },
  {
    key: 'one-shot-query-value',
    part: 'full',
    sets: { banking77: { maxTest: 1540, maxTokens: 64 } },
    study: {
      targetModules: queryValue(4, 5),
      rank: 4,
      scale: 2,
      silos: 10,
      partition: dirichlet(0.5),
      methods: ['fedit', 'fedrot-exact'],
      optimizer: adamw(0.01),
      localSteps: 30,
      rounds: 6,
      seeds,
    },
  },
  {
    key: 'one-shot-methods',
    part: 'full',
    sets: { banking77: { maxTest: 1540, maxTokens: 64 } },
    study: {
      targetModules: layers(4, 5),
      rank: 4,
      scale: 2,
      silos: 10,
      partition: dirichlet(0.5),
      methods: ['fedit', 'fedrot', consensus, 'fedrot-consensus', 'fedrot-exact', 'flexlora', 'lora-fair'],
      optimizer: adamw(0.01),
      localSteps: 30,
      rounds: 1,
      seeds,
    },
  },
  {
    key: 'default',
    part: 'full',
    sets: { banking77: small, sst2: small, snli: small, agnews: small },
    study: {
      ...top,
      silos: 10,
      methods: ['fedit', consensus, 'fedrot-exact'],
      optimizer: adamw(0.01),
      localSteps: 10,
      rounds: 6,
      evaluation: { every: 3 },
      seeds,
    },
  },
  {
    key: 'control',
    part: 'quick',
    sets: { banking77: small },
    study: {
      ...top,
      silos: 10,
      methods: ['fedit', 'fedrot', consensus, 'fedrot-consensus', 'fedrot-exact'],
      optimizer: adamw(0.01),
      localSteps: 10,
      rounds: 6,
      scramble: true,
      seeds,
    },
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
      localSteps: 5,
      rounds: 6,
      evaluation: { every: 3 },
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
      rounds: 6,
      evaluation: { every: 6 },
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
      silos: 10,
      methods: ['fedit', 'fedrot', 'fedrot-exact'],
      optimizer: adamw(0.01),
      localSteps: 10,
      rounds: 6,
      evaluation: { every: 3 },
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
      rounds: 6,
      evaluation: { every: 6 },
      seeds,
    },
  },
  ...[adamw(0.01), adamw(0.003), sgd(0.5), adamw(0.03), sgd(0.1)].map((optimizer) => ({
    key: `map-${optimizer.kind}-${optimizer.learningRate}`,
    part: 'full',
    map: true,
    sets: { banking77: small },
    study: {
      ...top,
      silos: 5,
      methods: ['fedit', 'fedrot', 'fedrot-exact'],
      optimizer,
      localSteps: [5, 20],
      rounds: 10,
      start: ['common', 'own'],
      evaluation: { every: 5 },
      seeds: [0],
    },
  })),
  ...[adamw(0.01), sgd(0.5)].map((optimizer) => ({
    key: `long-${optimizer.kind}`,
    part: 'full',
    map: true,
    sets: { banking77: small },
    study: {
      ...top,
      silos: 5,
      methods: ['fedit', 'fedrot', 'fedrot-exact'],
      optimizer,
      localSteps: 2,
      rounds: 200,
      evaluation: { every: 20 },
      seeds: [0],
    },
  })),
  {
    key: 'table-1-all-sets',
    part: 'full',
    sets: { sst2: small, agnews: small, snli: small, banking77: small },
    study: {
      targetModules: queryValue(4, 5),
      rank: 4,
      scale: 2,
      minExamples: 10,
      partition: [0.1, 0.5, 10].map(dirichlet),
      silos: [3, 10, 50],
      methods: [...paper, 'fedrot-exact'],
      optimizer: sgd(0.05),
      localSteps: 20,
      rounds: 250,
      evaluation: { every: 10 },
      seeds,
    },
  },
];
