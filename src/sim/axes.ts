import type { Trial } from './grid.js';

/** An axis of the grid as tables and charts show it; the method and the seed are none. */
export interface GridAxis {
  readonly name: string;
  readonly text: (trial: Trial) => string;
  /** For charts by this axis; absent where its values have no order. */
  readonly value?: (trial: Trial) => number | null;
}

const numeric = (name: string, value: (trial: Trial) => number): GridAxis => ({
  name,
  text: (trial) => `${name} ${value(trial)}`,
  value,
});

export const GRID_AXES: readonly GridAxis[] = [
  { name: 'data', text: ({ data }) => data },
  {
    name: 'partition',
    text: ({ partition }) => {
      const { kind, ...rest } = partition;
      return [kind, ...Object.values(rest).map(String)].join(' ');
    },
    value: ({ partition }) => (partition.kind === 'dirichlet' ? partition.alpha : null),
  },
  numeric('silos', ({ silos }) => silos),
  numeric('fraction', ({ fraction }) => fraction),
  { name: 'modules', text: ({ targetModules }) => targetModules.join(' ') },
  numeric('rank', ({ rank }) => rank),
  {
    name: 'ranks of silos',
    text: ({ siloRanks }) => (siloRanks ? `silos of rank ${siloRanks.join(', ')}` : 'silos of the same rank'),
  },
  numeric('scale', ({ scale }) => scale),
  { name: 'weighting', text: ({ weighting }) => `weighted by ${weighting}` },
  { name: 'optimizer', text: ({ optimizer }) => optimizer.kind },
  numeric('learning rate', ({ optimizer }) => optimizer.learningRate),
  numeric('batch', ({ batchSize }) => batchSize),
  numeric('local steps', ({ localSteps }) => localSteps),
  numeric('rounds', ({ rounds }) => rounds),
  { name: 'start', text: ({ start }) => `${start} start` },
  { name: 'scramble', text: ({ scramble }) => (scramble ? 'scrambled' : 'as trained') },
  { name: 'server optimizer', text: ({ serverOptimizer }) => serverOptimizer?.kind ?? 'no server optimizer' },
  { name: 'robust', text: ({ robust }) => (robust ? JSON.stringify(robust) : 'mean') },
];

/** Everything of a trial but its method and seed, as one text. */
export function settingKey(trial: Trial): string {
  const { method: _m, options: _o, methodName: _n, seed: _s, ...setting } = trial;
  return JSON.stringify(setting);
}

/** The axes on which some trials differ. */
export function varyingAxes(trials: readonly Trial[]): GridAxis[] {
  return GRID_AXES.filter(({ text }) => new Set(trials.map(text)).size > 1);
}
