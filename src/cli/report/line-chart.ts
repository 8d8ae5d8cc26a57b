import { extent } from 'd3-array';
import { scaleLinear, scaleLog, type ScaleLinear, type ScaleLogarithmic } from 'd3-scale';
import { area, line } from 'd3-shape';
import type { Axis, LineChart, Point, Series, Spread } from './chart.js';
import { element, escapeMarkup } from './markup.js';

/** Units of the viewBox; text is 12 of them, which stays readable where a phone shows the chart 340 px wide. */
const WIDTH = 440;
const HEIGHT = 260;
const MARGIN = { top: 12, right: 16, bottom: 40, left: 52 };
const COLOURS = 8;

type Scale = ScaleLinear<number, number> | ScaleLogarithmic<number, number>;
interface Known {
  readonly x: number;
  readonly y: number;
}

const known = (points: readonly Point[]): Known[] =>
  points.flatMap(({ x, y }) => (y === null || !Number.isFinite(y) ? [] : [{ x, y }]));

function domain(axis: Axis, values: readonly number[]): [number, number] {
  const [least = 0, most = 1] = extent(values);
  const low = axis.min ?? least;
  const high = axis.max ?? most;
  if (high > low) return [low, high];
  // One value only: a line in the middle.
  const around = low === 0 ? 1 : Math.abs(low) * 0.1;
  return [axis.min ?? low - around, Math.max(high, low) + around];
}

function makeScale(axis: Axis, values: readonly number[], range: readonly [number, number]): Scale {
  const ends = domain(axis, values);
  return axis.scale === 'log' ? scaleLog(ends, range) : scaleLinear(ends, range);
}

function ticksOf(scale: Scale, axis: Axis, count: number): number[] {
  const ticks = scale.ticks(count);
  return axis.integer === true ? ticks.filter(Number.isInteger) : ticks;
}

function horizontalAxis(scale: Scale, axis: Axis): string {
  const baseline = HEIGHT - MARGIN.bottom;
  const ticks = ticksOf(scale, axis, 8).map((tick) =>
    element(
      'text',
      { x: scale(tick), y: baseline + 18, 'text-anchor': 'middle', class: 'tick' },
      escapeMarkup((axis.tick ?? axis.format)(tick)),
    ),
  );
  return [
    element('line', { x1: MARGIN.left, x2: WIDTH - MARGIN.right, y1: baseline, y2: baseline, class: 'axis' }),
    ...ticks,
    element(
      'text',
      { x: (MARGIN.left + WIDTH - MARGIN.right) / 2, y: HEIGHT - 4, 'text-anchor': 'middle', class: 'label' },
      escapeMarkup(axis.label),
    ),
  ].join('');
}

function verticalAxis(scale: Scale, axis: Axis): string {
  return ticksOf(scale, axis, 5)
    .map((tick) =>
      [
        element('line', {
          x1: MARGIN.left,
          x2: WIDTH - MARGIN.right,
          y1: scale(tick),
          y2: scale(tick),
          class: 'grid',
        }),
        element(
          'text',
          { x: MARGIN.left - 8, y: scale(tick) + 4, 'text-anchor': 'end', class: 'tick' },
          escapeMarkup((axis.tick ?? axis.format)(tick)),
        ),
      ].join(''),
    )
    .join('');
}

const styleOf = (series: Series, index: number): string =>
  [
    `series series-${index % COLOURS}`,
    ...(series.role === 'reference' || index >= COLOURS ? ['reference'] : []),
  ].join(' ');

function drawSeries(chart: LineChart, series: Series, index: number, x: Scale, y: Scale): string {
  const path = line<Point>()
    .defined((point) => point.y !== null && Number.isFinite(point.y))
    .x((point) => x(point.x))
    .y((point) => y(point.y ?? 0))
    .digits(2)(series.points);
  const band = area<Spread>()
    .x((spread) => x(spread.x))
    .y0((spread) => y(spread.low))
    .y1((spread) => y(spread.high))
    .digits(2)(series.band ?? []);
  const points = known(series.points);
  // Many points make a line by themselves; dots are for few, and carry the tooltip.
  const radius = points.length > 60 ? 0 : 3;
  const dots = points.map((point) =>
    element(
      'circle',
      { cx: x(point.x), cy: y(point.y), r: radius },
      element(
        'title',
        {},
        escapeMarkup(
          `${series.name}, ${chart.x.label} ${chart.x.format(point.x)}: ${chart.y.format(point.y)}`,
        ),
      ),
    ),
  );
  return element('g', { class: styleOf(series, index) }, [
    ...(band === null ? [] : [element('path', { d: band, class: 'band' })]),
    ...(path === null ? [] : [element('path', { d: path })]),
    ...dots,
  ]);
}

function legend(series: readonly Series[]): string {
  const items = series.map((one, index) =>
    element('li', { class: styleOf(one, index) }, [
      element('svg', { viewBox: '0 0 24 8', 'aria-hidden': 'true' }, element('path', { d: 'M1 4H23' })),
      escapeMarkup(one.name),
    ]),
  );
  return element('ul', { class: 'legend' }, items);
}

/** The chart as an HTML figure with inline SVG; colours come from the page's CSS (theme.ts). */
export function renderLineChart(chart: LineChart): string {
  const points = chart.series.flatMap((series) => known(series.points));
  const spreads = chart.series.flatMap(({ band = [] }) => band.flatMap(({ low, high }) => [low, high]));
  const x = makeScale(
    chart.x,
    points.map((point) => point.x),
    [MARGIN.left, WIDTH - MARGIN.right],
  );
  const y = makeScale(
    chart.y,
    [...points.map((point) => point.y), ...spreads],
    [HEIGHT - MARGIN.bottom, MARGIN.top],
  );
  y.nice(5);
  const drawing =
    points.length === 0
      ? element('text', { x: WIDTH / 2, y: HEIGHT / 2, 'text-anchor': 'middle', class: 'label' }, 'no values')
      : chart.series
          .map((series, index) => ({ series, index }))
          // What is compared with lies below what is looked at.
          .sort((a, b) => Number(b.series.role === 'reference') - Number(a.series.role === 'reference'))
          .map(({ series, index }) => drawSeries(chart, series, index, x, y))
          .join('');
  const svg = element(
    'svg',
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-label': `${chart.title}. ${chart.note}` },
    [verticalAxis(y, chart.y), horizontalAxis(x, chart.x), drawing],
  );
  return element('figure', {}, [
    element('figcaption', {}, [
      element('h2', {}, escapeMarkup(chart.title)),
      element('p', {}, escapeMarkup(chart.note)),
    ]),
    chart.series.length > 1 ? legend(chart.series) : '',
    svg,
  ]);
}
