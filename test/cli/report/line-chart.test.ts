import { describe, expect, it } from 'vitest';
import type { LineChart, Series } from '../../../src/cli/report/chart.js';
import { renderLineChart } from '../../../src/cli/report/line-chart.js';

const chart = (series: readonly Series[], extra: Partial<LineChart> = {}): LineChart => ({
  title: 'Accuracy',
  note: 'On the test set.',
  x: { label: 'round', format: String, integer: true },
  y: { label: 'accuracy', format: (value) => value.toFixed(2), min: 0, max: 1 },
  series,
  ...extra,
});
const points = (...values: (number | null)[]): Series['points'] => values.map((y, x) => ({ x, y }));

/** Centres of the dots, in order. */
function dots(svg: string): { x: number; y: number }[] {
  return [...svg.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)"/g)].map(([, x, y]) => ({
    x: Number(x),
    y: Number(y),
  }));
}

describe('renderLineChart', () => {
  it('puts values where a linear scale puts them', () => {
    const drawn = dots(renderLineChart(chart([{ name: 'a', points: points(0, 0.5, 1) }])));
    const [low, middle, high] = drawn as [(typeof drawn)[0], (typeof drawn)[0], (typeof drawn)[0]];
    expect(drawn).toHaveLength(3);
    expect(low.y).toBeGreaterThan(high.y); // SVG's y grows downwards
    expect(middle.y).toBeCloseTo((low.y + high.y) / 2, 1);
    expect(middle.x).toBeCloseTo((low.x + high.x) / 2, 1);
  });

  it('leaves a gap where a value is missing or no number', () => {
    const svg = renderLineChart(chart([{ name: 'a', points: points(0.1, 0.2, null, Number.NaN, 0.4, 0.5) }]));
    expect(dots(svg)).toHaveLength(4);
    const path = /<path d="([^"]+)"\/><circle/.exec(svg)?.[1] ?? '';
    expect(path.match(/M/g)).toHaveLength(2);
  });

  it('marks a reference, names every series, and says each value', () => {
    const svg = renderLineChart(
      chart([
        { name: 'fedrot', points: points(0.25) },
        { name: 'plain <averaging>', points: points(0.75), role: 'reference' },
      ]),
    );
    expect(svg).toContain('class="series series-1 reference"');
    expect(svg).toContain('plain &lt;averaging&gt;, round 0: 0.75');
    expect(svg).not.toContain('<averaging>');
    expect(svg).toContain('aria-label="Accuracy. On the test set."');
  });

  it('draws a spread as a band behind its line, inside the axes', () => {
    const band = [
      { x: 0, low: 0.1, high: 0.3 },
      { x: 1, low: 0.4, high: 0.9 },
    ];
    const svg = renderLineChart(chart([{ name: 'a', points: points(0.2, 0.6), band }]));
    const path = /<path d="([^"]+)" class="band"/.exec(svg)?.[1] ?? '';
    expect(path.match(/[ML]/g)).toHaveLength(4);
    expect(svg.indexOf('class="band"')).toBeLessThan(svg.indexOf('<circle'));
  });

  it('spaces values by ratio on a logarithmic axis', () => {
    const x = { label: 'α', format: String, scale: 'log' as const };
    const series = [0.1, 1, 10].map((at) => ({ x: at, y: 0.5 }));
    const [a, b, c] = dots(renderLineChart(chart([{ name: 'a', points: series }], { x })));
    expect(b!.x - a!.x).toBeCloseTo(c!.x - b!.x, 1);
  });

  it.each<[string, Series['points']]>([
    ['no points', []],
    ['one point', points(0.5)],
    ['equal values', points(0.5, 0.5)],
    ['only gaps', points(null, null)],
    ['many points', Array.from({ length: 500 }, (_, x) => ({ x, y: Math.sin(x) }))],
  ])('draws %s without NaN', (_name, given) => {
    const free = { label: 'loss', format: String };
    const svg = renderLineChart(chart([{ name: 'a', points: given }], { y: free }));
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
    if (given.every(({ y }) => y === null)) expect(svg).toContain('no values');
  });
});
