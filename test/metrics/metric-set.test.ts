import { describe, expect, test } from 'vitest';
import { SiloMetrics } from '../../src/client/metrics.js';
import { MetricSet, type MetricDescription } from '../../src/metrics/metric-set.js';
import { CoordinatorMetrics } from '../../src/server/metrics.js';

const own = (metrics: { describe(): readonly MetricDescription[] }): readonly MetricDescription[] =>
  metrics.describe().filter(({ name }) => name.startsWith('fedrot_'));

/** https://prometheus.io/docs/practices/naming/, and what bounds the number of series. */
const CONVENTIONS: readonly {
  readonly what: string;
  readonly broken: (metric: MetricDescription) => boolean;
}[] = [
  { what: 'snake case', broken: ({ name }) => !/^[a-z][a-z0-9]*(_[a-z0-9]+)*$/.test(name) },
  {
    what: 'counters end in _total',
    broken: ({ name, type }) => (type === 'counter') !== name.endsWith('_total'),
  },
  {
    what: 'base units',
    broken: ({ name }) =>
      /_(ms|milliseconds|minutes|hours|percent|kb|mb|kilobytes|megabytes)(_|$)/.test(name),
  },
  {
    what: 'histograms end in the unit that they measure',
    broken: ({ name, type }) => type === 'histogram' && !/_(seconds|bytes|versions)$/.test(name),
  },
  { what: 'a help text', broken: ({ help }) => help.length < 10 },
  {
    what: 'labels of bounded sets',
    broken: ({ labels }) =>
      labels.some(
        (label) =>
          ![
            'run',
            'phase',
            'state',
            'outcome',
            'code',
            'kind',
            'role',
            'method',
            'service',
            'version',
            'event',
            'silo',
          ].includes(label),
      ),
  },
];

describe.each([
  ['the coordinator', new CoordinatorMetrics()],
  ['the silo', new SiloMetrics()],
])('metrics of %s', (_, metrics) => {
  test.each(CONVENTIONS)('$what', ({ broken }) => {
    expect(own(metrics).length).toBeGreaterThan(8);
    expect(
      own(metrics)
        .filter(broken)
        .map(({ name }) => name),
    ).toEqual([]);
  });
  test('processor, memory and the lag of the event loop of every process', () => {
    const names = metrics.describe().map(({ name }) => name);
    expect(names).toEqual(
      expect.arrayContaining([
        'process_cpu_seconds_total',
        'process_resident_memory_bytes',
        'nodejs_eventloop_lag_seconds',
      ]),
    );
  });
});

test('the coordinator has no label with the name of a silo', () => {
  expect(own(new CoordinatorMetrics()).filter(({ labels }) => labels.includes('silo'))).toEqual([]);
});

test('the conventions can be broken', () => {
  const set = new MetricSet();
  set.counter('fedrot_waits_ms', 'Waits, in the wrong unit.', ['who']);
  set.histogram('fedrotWaits', 'x', [1]);
  const broken = set
    .describe()
    .flatMap((metric) => CONVENTIONS.filter(({ broken }) => broken(metric)).map(({ what }) => what));
  expect([...new Set(broken)].sort()).toEqual(CONVENTIONS.map(({ what }) => what).sort());
});

test('what is rendered is what was counted', async () => {
  const set = new MetricSet();
  set.counter('fedrot_things_total', 'Things.', ['kind']).inc({ kind: 'a' }, 3);
  set.histogram('fedrot_wait_seconds', 'Waits.', [1, 2]).observe(1.5);
  const text = await set.render();
  expect(text).toContain('fedrot_things_total{kind="a"} 3\n');
  expect(text).toContain('fedrot_wait_seconds_bucket{le="1"} 0\n');
  expect(text).toContain('fedrot_wait_seconds_bucket{le="2"} 1\n');
  expect(set.contentType).toContain('text/plain');
});
